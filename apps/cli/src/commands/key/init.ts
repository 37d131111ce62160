import { hostname, userInfo } from 'node:os';
import { publicKeyPem, signerOf } from '@aviary/release';
import { Flags } from '@oclif/core';
import { AviaryCommand } from '../../aviary-command.ts';
import { createPublisherKey, defaultKeyPath } from '../../publishing/publisher-key.ts';

export default class KeyInit extends AviaryCommand {
  static override summary = 'Make the key with which you sign releases, and register its public half';

  static override description =
    'The private key stays in a file of yours, protected by a passphrase; the control plane only ever sees the public half. Keep a copy in a safe place: devices take releases from this key alone.';

  static override examples = [
    '<%= config.bin %> key init',
    '<%= config.bin %> key init --key ./publisher.key --no-passphrase',
  ];

  static override flags = {
    key: Flags.string({ description: 'file for the key (AVIARY_KEY, ~/.config/aviary/publisher.key)' }),
    name: Flags.string({ description: 'what people call you', default: `${userInfo().username}@${hostname()}` }),
    passphrase: Flags.boolean({ description: 'protect the key with a passphrase', default: true, allowNo: true }),
    register: Flags.boolean({
      description: 'register the public half at the control plane',
      default: true,
      allowNo: true,
    }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(KeyInit);
    const path = flags.key ?? defaultKeyPath();
    // First, so that a key that cannot be registered is not made.
    const connection = flags.register ? await this.connect(flags) : undefined;
    await connection?.client.listPublishers({});
    const key = await createPublisherKey(path, flags.passphrase);
    this.logToStderr(`The key is in ${path}. Keep a copy in a safe place.`);
    if (connection !== undefined) {
      await connection.client.addPublisher({ body: { name: flags.name, publicKey: publicKeyPem(key) } });
      this.logToStderr(`Registered as publisher "${flags.name}".`);
    }
    this.log(signerOf(key).keyId);
  }
}
