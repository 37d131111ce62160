import { signerOf } from '@aviary/release';
import { Flags } from '@oclif/core';
import { AviaryCommand, nameArg, outputFlag } from '../../aviary-command.ts';
import { defaultKeyPath, readPublisherKey } from '../../publishing/publisher-key.ts';

export default class ModelPush extends AviaryCommand {
  static override summary = 'Sign, seal and publish the model in a folder';

  static override description =
    'Reads model.yaml, checks everything it names, builds one archive per variant, signs each with your key, seals it, and uploads ciphertext only. Nothing runs on a device before a rollout says so.';

  static override examples = ['<%= config.bin %> model push ./meter-reader'];

  static override args = { directory: nameArg({ description: 'folder with a model.yaml', required: true }) };

  static override flags = {
    key: Flags.string({ description: 'file of your key (AVIARY_KEY, ~/.config/aviary/publisher.key)' }),
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ModelPush);
    const connection = await this.connect(flags);
    const signer = signerOf(await readPublisherKey(flags.key ?? defaultKeyPath()));
    const { pushModel } = await import('../../publishing/push-model.ts');
    const release = await pushModel(args.directory, signer, connection, (line) => this.logToStderr(line));
    this.print(
      release,
      flags.output,
      () =>
        `${release.release} is published (release counter ${release.releaseCounter}). Roll it out with: aviary rollout create --release ${release.release}`,
    );
  }
}
