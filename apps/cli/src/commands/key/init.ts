import { hostname, userInfo } from 'node:os';
import { publicKeyPem, signerOf } from '@aviary/release';
import { Flags } from '@oclif/core';
import { AviaryCommand } from '../../aviary-command.ts';
import { ConnectionError } from '../../connection-error.ts';
import { foundFleet } from '../../trust/found-fleet.ts';
import {
  createKey,
  keyFlag,
  keyPathOf,
  newPassphrase,
  publicHalfOf,
  refuseExisting,
  rootKeyFlag,
  rootKeyPathOf,
} from '../../trust/key-file.ts';

export default class KeyInit extends AviaryCommand {
  static override summary = 'Make your publisher key and your root key, and found the image repository of the fleet';

  static override description =
    'With the publisher key you sign releases; with the root key you say whose keys count. Both stay in files of yours, protected by a passphrase; the control plane only ever sees the public halves. Keep copies in a safe place: devices take releases from these keys alone. Where the fleet has its repository already, or several people are to hold keys, the keys are only made: see aviary key add and aviary root init.';

  static override examples = [
    '<%= config.bin %> key init',
    '<%= config.bin %> key init --key ./publisher.key --root-key /media/stick/root.key',
    '<%= config.bin %> key init --no-found',
  ];

  static override flags = {
    ...keyFlag,
    ...rootKeyFlag,
    name: Flags.string({ description: 'what people call you', default: `${userInfo().username}@${hostname()}` }),
    passphrase: Flags.boolean({ description: 'protect the keys with a passphrase', default: true, allowNo: true }),
    found: Flags.boolean({ description: 'found the image repository with them', default: true, allowNo: true }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(KeyInit);
    const [keyPath, rootKeyPath] = [keyPathOf(flags), rootKeyPathOf(flags)];
    await refuseExisting(keyPath, rootKeyPath);
    const passphrase = await newPassphrase(flags.passphrase);
    const key = await createKey(keyPath, passphrase);
    const rootKey = await createKey(rootKeyPath, passphrase);
    this.logToStderr(`Your publisher key is in ${keyPath}, your root key in ${rootKeyPath}.`);
    this.logToStderr('Keep copies of both in a safe place; the root key is seldom needed, and best kept elsewhere.');
    if (flags.found) {
      try {
        const connection = await this.connect(flags);
        const state = await connection.client.showTrust({});
        if (state.roles.length === 0) {
          const keysOf = (one: typeof key) => ({
            threshold: 1,
            keys: [{ name: flags.name, publicKey: publicKeyPem(one) }],
          });
          await foundFleet(connection, state, {
            root: keysOf(rootKey),
            targets: keysOf(key),
            rootSigner: signerOf(rootKey),
            targetsSigner: signerOf(key),
            keyPaths: [keyPath, rootKeyPath],
          });
          this.logToStderr(`The image repository is founded; "${flags.name}" may sign releases.`);
        } else {
          this.logToStderr(
            `The fleet has its image repository already. Give ${publicHalfOf(keyPath)} to somebody with a root key, who adds it: aviary key add ${publicHalfOf(keyPath)}`,
          );
        }
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error;
        this.logToStderr(
          `Nothing is founded yet: ${error.message}\nLater: aviary root init --key ${keyPath} --root-key ${rootKeyPath}`,
        );
      }
    }
    this.log(signerOf(key).keyId);
  }
}
