import { readFile } from 'node:fs/promises';
import { Args } from '@oclif/core';
import { AviaryCommand, durationFlag } from '../../aviary-command.ts';
import { UsageError } from '../../command-line/usage-error.ts';
import { nameFlag, termsFlags, termsOf } from '../../device-terms.ts';

const DAY_S = 86_400;

export default class DevicePreauthorize extends AviaryCommand {
  static override summary = 'Let the board that holds a key join once, without a token';

  static override description =
    'The key is what "aviary-agent key" prints on the board. Prints the command with which that board then joins.';

  static override examples = ['<%= config.bin %> device preauthorize ./gate-3.pub --name "gate 3" --label site=lyon'];

  static override args = { file: Args.string({ description: 'file with the public key (PEM)', required: true }) };

  static override flags = {
    ttl: durationFlag({ description: 'how long it may join', default: 30 * DAY_S, defaultHelp: async () => '30d' }),
    ...nameFlag,
    ...termsFlags,
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DevicePreauthorize);
    const terms = termsOf(flags);
    const publicKey = (await readKey(args.file)).trim();
    if (!publicKey.startsWith('-----BEGIN PUBLIC KEY-----')) {
      throw new UsageError(`Expected a public key in PEM in ${args.file}, as "aviary-agent key" prints it.`);
    }
    const { client } = await this.connect(flags);
    const key = await client.preauthorizeKey({ body: { publicKey, ttlSeconds: flags.ttl, ...terms } });
    const { deviceUrl, caFingerprint } = await client.listJoiningKeys({});
    this.logToStderr(
      `${key.fingerprint} may join once, until ${new Date(key.expiresAt).toISOString()}. On the device:`,
    );
    this.log(`aviary-agent join --server ${deviceUrl} --ca-fingerprint ${caFingerprint}`);
  }
}

/** @throws UsageError */
const readKey = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UsageError(`The file cannot be read: ${error instanceof Error ? error.message : error}.`);
  }
};
