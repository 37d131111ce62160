import { hostname, userInfo } from 'node:os';
import { decodeMetadata, type NamedKey, rootFingerprint } from '@aviary/release';
import { Flags } from '@oclif/core';
import { AviaryCommand } from '../../aviary-command.ts';
import { UsageError } from '../../command-line/usage-error.ts';
import { foundFleet } from '../../trust/found-fleet.ts';
import { keyFlag, keyPathOf, readKey, readPublicKey, rootKeyFlag, rootKeyPathOf } from '../../trust/key-file.ts';

/** `ana=ana.pub`, as --root-holder takes it. */
const readHolder = async (text: string): Promise<NamedKey> => {
  const [, name, file] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || file === undefined) {
    throw new UsageError(`Expected NAME=FILE, e.g. ana=ana-root.pub, got "${text}".`);
  }
  return { name, publicKey: await readPublicKey(file) };
};

export default class RootInit extends AviaryCommand {
  static override summary = 'Found the image repository with keys that exist, your own and those of others';

  static override description =
    'You sign with your own two keys; where more signatures are needed, the other holders run aviary root sign and aviary model sign. Nothing counts before that.';

  static override examples = [
    '<%= config.bin %> root init',
    '<%= config.bin %> root init --root-holder ana=ana-root.pub --root-holder ben=ben-root.pub --root-threshold 2',
  ];

  static override flags = {
    ...keyFlag,
    ...rootKeyFlag,
    name: Flags.string({ description: 'what people call you', default: `${userInfo().username}@${hostname()}` }),
    'root-holder': Flags.string({
      description: 'NAME=FILE of another root key; can be repeated',
      multiple: true,
      default: [],
    }),
    'root-threshold': Flags.integer({ description: 'root keys that have to sign', min: 1, default: 1 }),
    publisher: Flags.string({
      description: 'NAME=FILE of another publisher key; can be repeated',
      multiple: true,
      default: [],
    }),
    'publisher-threshold': Flags.integer({ description: 'publisher keys that have to sign', min: 1, default: 1 }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(RootInit);
    const [keyPath, rootKeyPath] = [keyPathOf(flags), rootKeyPathOf(flags)];
    const [rootHolders, publishers] = await Promise.all(
      [flags['root-holder'], flags.publisher].map((texts) => Promise.all(texts.map(readHolder))),
    );
    const [targetsSigner, rootSigner] = [await readKey(keyPath), await readKey(rootKeyPath)];
    const connection = await this.connect(flags);
    const state = await connection.client.showTrust({});
    const mine = ({ publicKeyPem }: typeof rootSigner): NamedKey => ({ name: flags.name, publicKey: publicKeyPem });
    const { outcome, root } = await foundFleet(connection, state, {
      root: { threshold: flags['root-threshold'], keys: [mine(rootSigner), ...(rootHolders ?? [])] },
      targets: { threshold: flags['publisher-threshold'], keys: [mine(targetsSigner), ...(publishers ?? [])] },
      rootSigner,
      targetsSigner,
      keyPaths: [keyPath, rootKeyPath],
    });
    const { missing, published } = outcome;
    this.logToStderr(
      published
        ? 'The image repository is founded.'
        : `It waits for signatures: ${missing.root} of root keys (aviary root sign), ${missing.targets} of publisher keys (aviary model sign).`,
    );
    this.logToStderr('Tell the other holders the fingerprint of the root in a way that nobody can forge:');
    this.log(rootFingerprint(decodeMetadata('root', root)));
  }
}
