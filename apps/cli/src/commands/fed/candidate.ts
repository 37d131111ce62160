import { releaseStatementSchema } from '@aviary/release';
import { Flags } from '@oclif/core';
import { AviaryCommand, nameArg, outputFlag } from '../../aviary-command.ts';
import { findRound } from '../../find-round.ts';
import { printable } from '../../render/table.ts';
import { openPublisher } from '../../trust/open-publisher.ts';

export default class FedCandidate extends AviaryCommand {
  static override summary = 'Make the folder of a release out of what a round learned';

  static override description =
    'Takes the folder of which the base release was made, adds the sum of what the devices learned to the head of each variant, and leaves every other byte as it was. The new folder can be pushed like any other; nothing runs on a device before a rollout says so.';

  static override examples = [
    '<%= config.bin %> fed candidate last --from ./meter-reader --version 1.3.0 --out ./meter-reader-1.3.0',
    '<%= config.bin %> fed candidate 6f1c2a34 --from ./meter-reader --version 1.3.0 --out ./candidate --push',
  ];

  static override args = {
    round: nameArg({ description: 'its id, the beginning of it, or "last"', required: true }),
  };

  static override flags = {
    from: Flags.string({ description: 'folder of which the base release was made', required: true }),
    version: Flags.string({ description: 'of the new release', required: true }),
    out: Flags.string({ description: 'folder to make; must be empty or not there yet', required: true }),
    push: Flags.boolean({ description: 'sign, seal and publish it at once' }),
    key: Flags.string({
      description: 'with --push: file of your key (AVIARY_KEY, ~/.config/aviary/publisher.key)',
      dependsOn: ['push'],
    }),
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(FedCandidate);
    const connection = await this.connect(flags);
    const { client } = connection;
    // Before anything is built, so that a wrong passphrase costs nothing.
    const publisher = flags.push ? await openPublisher(connection, flags) : undefined;
    const id = await findRound(client, args.round);
    const candidate = await client.showCandidate({ params: { id } });
    const base = await client.showRelease({ params: { release: candidate.release } });
    const { targets } = releaseStatementSchema.parse(base.statement);
    const { buildCandidateFolder } = await import('../../publishing/candidate-folder.ts');
    const { from, version, out } = flags;
    const built = await buildCandidateFolder({ from, version, out, candidate, targets });
    this.logToStderr(printable(candidate.evaluation.words));
    for (const variant of built.unchanged) {
      this.logToStderr(
        `Variant "${variant}" has no head that could change, and answers as before. Build it anew from the new model, or take it out of model.yaml.`,
      );
    }
    if (publisher === undefined) {
      this.print(
        built,
        flags.output,
        () => `${built.release} is in ${built.directory}. Publish it with: aviary model push ${built.directory}`,
      );
      return;
    }
    const { pushModel } = await import('../../publishing/push-model.ts');
    const release = await pushModel(out, publisher, connection, (line) => this.logToStderr(line));
    this.print(
      { ...built, published: release },
      flags.output,
      () =>
        `${release.release} is in ${built.directory} and published (release counter ${release.releaseCounter}). Roll it out with: aviary rollout create --release ${release.release} --waves 1,50%,100%`,
    );
  }
}
