import { AviaryCommand, nameArg, outputFlag } from '../../aviary-command.ts';
import { renderTable } from '../../render/table.ts';

const share = (part: number, whole: number): string =>
  whole === 0 ? 'not measured' : `${((part / whole) * 100).toFixed(1)} %`;

export default class ModelShow extends AviaryCommand {
  static override summary = 'One release: its variants, and how it does in the field';

  static override args = { release: nameArg({ description: 'e.g. meter-reader@1.1.0', required: true }) };

  static override flags = { output: outputFlag() };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ModelShow);
    const { client } = await this.connect(flags);
    const release = await client.showRelease({ params: { release: args.release } });
    const { field, variants } = release;
    this.print(release, flags.output, () =>
      [
        `${release.release}   counter ${release.releaseCounter}, rollback floor ${release.rollbackFloor}, signed by ${release.publisher}`,
        `in the field: ${field.frames} frames on ${field.devices} devices, accuracy ${share(field.correct, field.labelled)} of ${field.labelled} labelled, unsure of ${share(field.lowConfidence, field.frames)}`,
        '',
        renderTable(
          ['variant', 'runtime', 'format', 'precision', 'bytes', 'sha256'],
          variants.map(({ id, runtime, format, precision, length, sha256 }) => [
            id,
            runtime,
            format,
            precision,
            String(length),
            sha256,
          ]),
        ),
      ].join('\n'),
    );
  }
}
