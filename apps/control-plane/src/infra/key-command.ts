import { spawn } from 'node:child_process';
import { parse } from 'shell-quote';
import { MasterKeyError } from './master-key.ts';

const DEADLINE_MS = 30_000;
const MOST_OUTPUT_BYTES = 64 * 1024;
const MOST_WORDS_OF_FAILURE = 400;

/** The words of a command, as a shell would split them, but without anything that only a shell could do. */
const wordsOf = (command: string, setting: string): [string, ...string[]] => {
  const words = parse(command, (name) => ({ op: `$${name}` }) as never);
  const special = words.find((word) => typeof word !== 'string');
  const hasBacktick = /`/.test(command.replace(/'[^']*'/g, ''));
  if (special !== undefined || hasBacktick) {
    const what = typeof special === 'object' ? ('op' in special ? special.op : '#') : '`';
    throw new MasterKeyError(
      `Expected a program and its arguments in ${setting}, got "${what}", which only a shell understands; it is run without one. Put it into quotes, or the command into a script.`,
    );
  }
  const [program, ...args] = words as string[];
  if (program === undefined || program === '') throw new MasterKeyError(`Expected a command in ${setting}, got none.`);
  return [program, ...args];
};

/** What a program says of its failure, in one line, without anything that could be a key. */
const withoutKeys = (text: string): string =>
  text
    .replace(/[A-Za-z0-9+/_=-]{32,}/g, '[…]')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(-MOST_WORDS_OF_FAILURE);

/**
 * Runs a command that prints the master key, without a shell, and gives back its standard output. Its arguments, its
 * output, and whatever looks like a key in its complaints are in no message: they may be secret.
 * @param setting where the command was given, for messages
 * @param deadlineMs after so many milliseconds the command is killed, with all that it has started
 * @throws MasterKeyError
 */
export const runKeyCommand = async (command: string, setting: string, deadlineMs = DEADLINE_MS): Promise<string> => {
  const [program, ...args] = wordsOf(command, setting);
  return new Promise((resolve, reject) => {
    const fail = (what: string) => reject(new MasterKeyError(`The command of ${setting} ("${program} …") ${what}`));
    // A group of its own, so that what it has started can be ended with it.
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const end = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        child.kill('SIGKILL');
      }
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const deadline = setTimeout(() => {
      end();
      fail(`has printed no key within ${deadlineMs / 1000} s and was ended. Try it by hand.`);
    }, deadlineMs);
    let [output, complaints] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      output += part;
      if (output.length <= MOST_OUTPUT_BYTES) return;
      clearTimeout(deadline);
      end();
      fail('prints far more than a key. Try it by hand.');
    });
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      complaints = (complaints + part).slice(-MOST_OUTPUT_BYTES);
    });
    child.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(deadline);
      fail(
        error.code === 'ENOENT'
          ? 'cannot be run: there is no such program. Give its whole path.'
          : `cannot be run: ${error.code ?? error.message}.`,
      );
    });
    child.once('close', (code, signal) => {
      clearTimeout(deadline);
      if (code === 0) return resolve(output);
      const words = withoutKeys(complaints);
      fail(`has failed (${signal ?? `exit code ${code}`})${words === '' ? '.' : `: ${words}`}`);
    });
  });
};
