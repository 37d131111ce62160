import { ApiError } from '@aviary/protocol';
import { Command, Errors, Flags } from '@oclif/core';
import { stringify } from 'yaml';
import { type Connection, connect } from './connection.ts';

/** The command line asks for something that cannot be; exit code 2. */
export class UsageError extends Error {
  readonly code = 'usage';
}

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

/** What all commands share: how to reach the control plane, and how an error is told. */
export abstract class AviaryCommand extends Command {
  static override baseFlags = {
    server: Flags.string({ description: 'address of the control plane (AVIARY_SERVER)', helpGroup: 'GLOBAL' }),
    'token-file': Flags.string({ description: 'file with the admin token (AVIARY_TOKEN)', helpGroup: 'GLOBAL' }),
  };

  protected connect(flags: { server?: string | undefined; 'token-file'?: string | undefined }): Promise<Connection> {
    return connect({ server: flags.server, tokenFile: flags['token-file'] });
  }

  /** Prints data on standard output: as a table made by `table`, or whole. */
  protected print(data: unknown, output: 'table' | 'json' | 'yaml', table: () => string): void {
    if (output === 'json') this.log(JSON.stringify(data, null, 2));
    else if (output === 'yaml') this.log(stringify(data).trimEnd());
    else this.log(table());
  }

  /** A sentence for people, with every wrong place where there are several; a stack only when asked for. */
  protected override async catch(error: Error & { oclif?: { exit?: number } }): Promise<void> {
    if (error instanceof Errors.ExitError) throw error;
    if (process.env.AVIARY_DEBUG === '1') this.logToStderr(error.stack ?? String(error));
    else if (error instanceof ApiError && error.problem.problems !== undefined && error.problem.problems.length > 1) {
      this.logToStderr(`${error.problem.title}:`);
      for (const { path, message } of error.problem.problems) this.logToStderr(`  ${path}: ${message}`);
    } else if (error.name === 'ZodError') {
      this.logToStderr(
        'aviary: The control plane answered in a form that this command does not know. Do both have the same version?',
      );
    } else this.logToStderr(`aviary: ${error.message}`);
    const badInput = error instanceof UsageError || (error instanceof ApiError && error.problem.status === 400);
    this.exit(error.oclif?.exit ?? (badInput || isDefinitionError(error) ? 2 : 1));
  }
}

/** Errors of what the user wrote, known by their stable code. */
const isDefinitionError = (error: Error): boolean =>
  'code' in error && (error.code === 'model-definition-invalid' || error.code === 'onnx-invalid');
