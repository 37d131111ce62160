import { hostname, userInfo } from 'node:os';
import { publicKeyPem } from '@aviary/release';
import { Flags } from '@oclif/core';
import { AviaryCommand } from '../../aviary-command.ts';
import { defaultKeyPath, readPublisherKey } from '../../publishing/publisher-key.ts';

export default class KeyRegister extends AviaryCommand {
  static override summary = 'Register the public half of a key that exists already';

  static override flags = {
    key: Flags.string({ description: 'file of the key (AVIARY_KEY, ~/.config/aviary/publisher.key)' }),
    name: Flags.string({ description: 'what people call you', default: `${userInfo().username}@${hostname()}` }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(KeyRegister);
    const key = await readPublisherKey(flags.key ?? defaultKeyPath());
    const { client } = await this.connect(flags);
    const publisher = await client.addPublisher({ body: { name: flags.name, publicKey: publicKeyPem(key) } });
    this.log(publisher.keyId);
  }
}
