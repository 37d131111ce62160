import { AviaryCommand, nameArg, outputFlag } from '../../aviary-command.ts';
import { fingerprintFlag, keyFlag } from '../../trust/key-file.ts';
import { openPublisher } from '../../trust/open-publisher.ts';
import { outcomeInWords } from '../../trust/signed-change.ts';

export default class ModelPush extends AviaryCommand {
  static override summary = 'Sign, seal and publish the model in a folder';

  static override description =
    'Reads model.yaml, checks everything it names, builds one archive per variant, signs each with your key, seals it, and uploads ciphertext only. Nothing runs on a device before a rollout says so.';

  static override examples = ['<%= config.bin %> model push ./meter-reader'];

  static override args = { directory: nameArg({ description: 'folder with a model.yaml', required: true }) };

  static override flags = {
    ...keyFlag,
    ...fingerprintFlag,
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ModelPush);
    const connection = await this.connect(flags);
    const publisher = await openPublisher(connection, flags);
    const { pushModel } = await import('../../publishing/push-model.ts');
    const release = await pushModel(args.directory, publisher, connection, (line) => this.logToStderr(line));
    this.print(release, flags.output, () =>
      release.published
        ? `${release.release} is published (release counter ${release.releaseCounter}). Roll it out with: aviary rollout create --release ${release.release}`
        : `${release.release} is uploaded. ${outcomeInWords(release)}`,
    );
  }
}
