import { hostname, userInfo } from 'node:os';
import { publicKeyPem, signerOf } from '@aviary/release';
import { Flags } from '@oclif/core';
import { AviaryCommand } from '../../aviary-command.ts';
import { ConnectionError } from '../../connection-error.ts';
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
    const key = await createPublisherKey(path, flags.passphrase);
    this.logToStderr(`The key is in ${path}. Keep a copy in a safe place.`);
    if (flags.register) {
      try {
        const { client } = await this.connect(flags);
        await client.addPublisher({ body: { name: flags.name, publicKey: publicKeyPem(key) } });
        this.logToStderr(`Registered as publisher "${flags.name}".`);
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error;
        this.logToStderr(`Not registered yet: ${error.message}\nLater: aviary key register --key ${path}`);
      }
    }
    this.log(signerOf(key).keyId);
  }
}
