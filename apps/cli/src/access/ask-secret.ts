import { createInterface } from 'node:readline/promises';
import { UsageError } from '../command-line/usage-error.ts';

/** Whether there is somebody to ask. */
export const isTerminal = (): boolean => process.stdin.isTTY === true;

/** Asks at the terminal; what is typed after the question is not shown. */
export const askHidden = async (question: string): Promise<string> => {
  const terminal = createInterface({ input: process.stdin, output: process.stderr, terminal: true });
  const shown = process.stderr.write.bind(process.stderr);
  const answer = terminal.question(question);
  process.stderr.write = (() => true) as typeof process.stderr.write;
  try {
    return await answer;
  } finally {
    process.stderr.write = shown;
    process.stderr.write('\n');
    terminal.close();
  }
};

/** Asks at the terminal. */
export const askVisible = async (question: string): Promise<string> => {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(question);
  terminal.close();
  return answer.trim();
};

/** The first line of standard input. @throws UsageError when there is none */
export const readSecretLine = async (what: string): Promise<string> => {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(Buffer.from(part));
  const [line = ''] = Buffer.concat(parts).toString('utf8').split(/\r?\n/);
  if (line !== '') return line;
  throw new UsageError(`Expected ${what} on standard input, got nothing.`);
};

/** A password: asked for on a terminal, the first line of standard input elsewhere. */
export const readPassword = (question: string): Promise<string> =>
  isTerminal() ? askHidden(question) : readSecretLine('a password');

/** A password that is to be kept: asked for twice on a terminal. @throws UsageError when the two differ */
export const readNewPassword = async (name: string): Promise<string> => {
  const password = await readPassword(`New password for ${name}, at least 12 characters: `);
  if (isTerminal() && (await askHidden('The same password again: ')) !== password) {
    throw new UsageError('The two passwords differ; nothing was changed.');
  }
  return password;
};
