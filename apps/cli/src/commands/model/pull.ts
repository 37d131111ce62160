import { Flags } from '@oclif/core';
import { AviaryCommand, nameArg, outputFlag } from '../../aviary-command.ts';
import { FleetRepository } from '../../trust/fleet-repository.ts';
import { fingerprintFlag, keyFlag, keyPathOf } from '../../trust/key-file.ts';

export default class ModelPull extends AviaryCommand {
  static override summary = 'Bring the files of a published release here, verified';

  static override description =
    'Follows the signed metadata of the fleet from the root that is pinned beside your key, downloads the sealed bytes of a variant, opens them with a key that is made for this once, and checks the signature of its publisher. The folder has the model, its labels, manifest, acceptance pictures, bill of materials and signature; it is there as a whole, or, when anything is not as it was signed, not at all. For the roles publisher and admin; the audit trail shows who pulled what.';

  static override examples = [
    '<%= config.bin %> model pull meter-reader@1.1.0 --out ./meter-reader',
    '<%= config.bin %> model pull meter-reader@1.1.0 --variant onnx-int8 --out ./meter-reader-int8',
  ];

  static override args = { release: nameArg({ description: 'e.g. meter-reader@1.1.0', required: true }) };

  static override flags = {
    variant: Flags.string({ description: 'which of its variants; needed where there are several' }),
    out: Flags.string({ description: 'the new folder', required: true }),
    ...keyFlag,
    ...fingerprintFlag,
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ModelPull);
    const connection = await this.connect(flags);
    const repository = await FleetRepository.open(connection, {
      keyPath: keyPathOf(flags),
      rootFingerprint: flags['root-fingerprint'],
    });
    const { pullModel } = await import('../../reading/pull-model.ts');
    const { variant, out } = flags;
    const pulled = await pullModel(connection, repository, { release: args.release, variant, out });
    this.print(
      pulled,
      flags.output,
      () =>
        `${pulled.directory} has ${pulled.release}, variant ${pulled.variant}: ${pulled.files} files, as ${pulled.publisher.name ?? `the key ${pulled.publisher.keyId.slice(0, 16)}`} has signed them.`,
    );
  }
}
