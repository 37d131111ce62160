import { createInterface } from 'node:readline/promises';
import { parseDuration } from '@aviary/rollout';
import { Args, Command, Flags } from '@oclif/core';
import { UsageError } from './command-line/usage-error.ts';
import { type Connection, connect } from './connection.ts';
import { printAs } from './render/print-as.ts';

export const outputFlag = Flags.option({
  char: 'o',
  options: ['table', 'json', 'yaml'] as const,
  default: 'table',
  description: 'how to print the answer',
});

export const selectorFlag = Flags.custom<string>({
  char: 'l',
  description: 'a selector, e.g. "profile=rpi5 and site != lab"',
});

/** A number of seconds, as `--timeout` takes it. */
export const secondsFlag = Flags.custom<number>({
  parse: async (text, _, { name }) => {
    if (/^[1-9]\d*$/.test(text)) return Number(text);
    throw new UsageError(`Expected a whole number of seconds, at least 1, for --${name}, got "${text}".`);
  },
});

/** A port, as `--http-port` takes it; 0 lets the system choose. */
export const portFlag = Flags.custom<string>({
  parse: async (text, _, { name }) => {
    if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return text;
    throw new UsageError(`Expected a port from 0 to 65535 for --${name}, got "${text}".`);
  },
});

/** A number, as `--learning-rate` takes it; what it may be is for the control plane to say. */
export const numberFlag = Flags.custom<number>({
  parse: async (text, _, { name }) => {
    if (text.trim() !== '' && Number.isFinite(Number(text))) return Number(text);
    throw new UsageError(`Expected a number for --${name}, got "${text}".`);
  },
});

/** A span of time in seconds, written as `--ttl 30m`. */
export const durationFlag = Flags.custom<number>({
  parse: async (text, _, { name }) => {
    const seconds = parseDuration(text);
    if (seconds !== undefined) return seconds;
    throw new UsageError(`Expected a duration such as 30m or 2h for --${name}, got "${text}".`);
  },
});

export const yesFlag = { yes: Flags.boolean({ char: 'y', description: 'do not ask' }) };

/** An argument that says which thing is meant. A variable that a script forgot to set arrives as nothing. */
export const nameArg = Args.custom<string>({
  parse: async (text, _, { name, description }) => {
    if (text.trim() !== '') return text;
    throw new UsageError(`Expected ${name.toUpperCase()} (${description}), got an empty text.`);
  },
});

/** The global flags that say which control plane is meant. */
export interface ConnectionFlags {
  readonly server?: string | undefined;
  readonly 'token-file'?: string | undefined;
  readonly context?: string | undefined;
}

/** What all commands share: how to reach the control plane, and how an answer is printed. */
export abstract class AviaryCommand extends Command {
  static override baseFlags = {
    server: Flags.string({ description: 'address of the control plane (AVIARY_SERVER)', helpGroup: 'GLOBAL' }),
    'token-file': Flags.string({ description: 'file with a token (AVIARY_TOKEN)', helpGroup: 'GLOBAL' }),
    context: Flags.string({ description: 'a log-in by its name; see aviary context list', helpGroup: 'GLOBAL' }),
  };

  protected connect(flags: ConnectionFlags): Promise<Connection> {
    return connect({ server: flags.server, tokenFile: flags['token-file'], context: flags.context });
  }

  /** @throws UsageError without a terminal to ask at, Error when the answer is no */
  protected async confirm(question: string, yes: boolean): Promise<void> {
    if (yes) return;
    if (!process.stdin.isTTY) throw new UsageError(`${question} There is no terminal to ask at; say --yes.`);
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    const answer = await terminal.question(`${question} [y/N] `);
    terminal.close();
    if (!/^y(es)?$/i.test(answer.trim())) throw new Error('Nothing was done.');
  }

  /** Prints data on standard output: as a table made by `table`, or whole. */
  protected print(data: unknown, output: 'table' | 'json' | 'yaml', table: () => string): void {
    this.log(printAs(data, output, table));
  }
}
