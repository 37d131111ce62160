import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { SealLostError, TpmUnavailableError } from './tpm-error.ts';

/** Where Linux has a TPM, shared by all programs of the board. */
const DEFAULT_TCTI = 'device:/dev/tpmrm0';
/** Old ones take seconds for a key. */
const DEADLINE_MS = 60_000;
const MOST_OUTPUT_BYTES = 64 * 1024;
/** These save and load what programs leave in the TPM; with any other way in that is ours to do. */
const MANAGED = /^(device:\/dev\/tpmrm\d+|tabrmd)\b/;

/** What a format-one response code of a TPM is about, whatever session or parameter it names (TPM 2.0 part 2, 6.6). */
const FORMAT_ONE = 0x80;
const SUBJECT = 0xbf;
const INTEGRITY = 0x9f;
const POLICY_FAIL = 0x9d;
const BAD_AUTH = 0xa2;

/** @returns the last response code in what a program said; undefined when there is none */
const responseOf = (said: string): number | undefined => {
  const code = [...said.matchAll(/\(0x([0-9a-f]+)\)/gi)].at(-1)?.[1];
  return code === undefined ? undefined : Number.parseInt(code, 16);
};

/**
 * Why one of tpm2-tools has failed.
 * @param said on standard error
 */
export const toolFailure = (tool: string, tcti: string, said: string): SealLostError | TpmUnavailableError => {
  const response = responseOf(said);
  const subject = response !== undefined && (response & FORMAT_ONE) !== 0 ? response & SUBJECT : undefined;
  if (subject === INTEGRITY) {
    const words = 'this TPM has not sealed them: it is the one of another board, or it was cleared since';
    return new SealLostError('other-tpm', words);
  }
  if (subject === POLICY_FAIL) {
    const words = 'the PCRs that they are bound to have changed, as they do with the firmware or its settings';
    return new SealLostError('pcrs-changed', words);
  }
  if (subject === BAD_AUTH) {
    const words =
      'The owner hierarchy of the TPM has a password. Expected none; remove it with: tpm2_changeauth -c owner -p PASSWORD';
    return new TpmUnavailableError(words);
  }
  if (/could not load tcti/i.test(said)) {
    const words = `No TPM answers at ${tcti}. Name the right one with --tcti or TPM2TOOLS_TCTI, e.g. ${DEFAULT_TCTI}.`;
    return new TpmUnavailableError(words);
  }
  const lines = said.split('\n').filter((line) => line.startsWith('ERROR'));
  const why = lines.length > 0 ? lines.join(' ') : said.trim();
  return new TpmUnavailableError(`The TPM at ${tcti} cannot be used: ${tool} failed (${why}). Try: tpm2_selftest`);
};

/** Why the device file of a TPM cannot be used. @param code of the system's error */
export const deviceFailure = (device: string, code: string | undefined): TpmUnavailableError => {
  if (code === 'EACCES' || code === 'EPERM') {
    const words = `This user may not use the TPM at ${device}. Let it: usermod -aG GROUP USER, with the group from: ls -l ${device}`;
    return new TpmUnavailableError(words);
  }
  const words = `There is no TPM at ${device} (${code}). Switch it on in the firmware, or name another one with --tcti.`;
  return new TpmUnavailableError(words);
};

/** Debian's tpm2-tools (5.0 or later), each a program of its own that speaks to the TPM at `tcti`. */
export class TpmTools {
  readonly tcti: string;

  /** @param tcti the way to the TPM, as tpm2-tools name it, e.g. `device:/dev/tpmrm0` */
  constructor(tcti: string = process.env.TPM2TOOLS_TCTI ?? DEFAULT_TCTI) {
    this.tcti = tcti;
  }

  /** @throws TpmUnavailableError when there is no TPM, or we may not use it */
  async demand(): Promise<void> {
    const [, device] = /^device:(.+)$/.exec(this.tcti) ?? [];
    if (device === undefined) return;
    await access(device, constants.R_OK | constants.W_OK).catch((error: NodeJS.ErrnoException) => {
      throw deviceFailure(device, error.code);
    });
  }

  /**
   * Runs one of them to its end.
   * @param input for its standard input
   * @returns what it printed
   * @throws SealLostError; TpmUnavailableError
   */
  async run(tool: string, args: readonly string[], input: Uint8Array = Buffer.alloc(0)): Promise<Buffer> {
    try {
      return await this.#run(tool, args, input);
    } finally {
      if (!MANAGED.test(this.tcti)) await this.#flush();
    }
  }

  /** Three objects and three sessions fit, and a program leaves there what it has loaded. */
  async #flush(): Promise<void> {
    for (const kind of ['-t', '-l'])
      await this.#run('tpm2_flushcontext', [kind], Buffer.alloc(0)).catch(() => undefined);
  }

  #run(tool: string, args: readonly string[], input: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const options = {
        encoding: 'buffer' as const,
        timeout: DEADLINE_MS,
        maxBuffer: MOST_OUTPUT_BYTES,
        // Its libraries say the same as the tool, in more words.
        env: { TSS2_LOG: 'all+NONE', ...process.env },
      };
      const child = execFile(tool, ['-T', this.tcti, ...args], options, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else if (error.code === 'ENOENT') {
          const words = `Sealing keys needs ${tool}, which is not installed. Install it: apt-get install tpm2-tools`;
          reject(new TpmUnavailableError(words));
        } else if (error.killed === true) {
          const words = `The TPM at ${this.tcti} has not answered ${tool} within ${DEADLINE_MS / 1000} s. Restart the board, or see: tpm2_selftest`;
          reject(new TpmUnavailableError(words));
        } else reject(toolFailure(tool, this.tcti, stderr.toString() || error.message));
      });
      // It may have ended before it has read.
      child.stdin?.on('error', () => undefined).end(input);
    });
  }
}
