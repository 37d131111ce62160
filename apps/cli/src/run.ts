import { fileURLToPath } from 'node:url';
import { Config, Errors, flush, run as runCommandLine, settings } from '@oclif/core';
import { commandNameOf } from './command-line/command-name.ts';
import { failureOf } from './command-line/failure.ts';

/** Runs the command line, tells what went wrong in a sentence, and ends the process with the exit code. */
export const run = async (binary: string): Promise<void> => {
  const debug = process.env.AVIARY_DEBUG === '1';
  // Since 1.29 ONNX Runtime tells its makers of each model that it loads, unless it is told not to before it is loaded.
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
  settings.debug = debug;
  // Who reads only the beginning (`aviary device list | head`) has what they wanted.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  const config = await Config.load(fileURLToPath(binary));
  const [first, ...rest] = process.argv.slice(2);
  const argv = first === undefined ? [] : first === 'help' ? [...rest, '--help'] : [first, ...rest];
  let command: string | undefined;
  try {
    command = commandNameOf(
      argv,
      config.commands.map(({ id, args, strict }) => ({
        name: id.replaceAll(':', ' '),
        takesArguments: strict === false || Object.keys(args).length > 0,
      })),
    );
    await runCommandLine(argv, config);
    await flush();
  } catch (error) {
    if (error instanceof Errors.ExitError) process.exit(error.oclif.exit);
    const failure = failureOf(error instanceof Error ? error : new Error(String(error)), command);
    if (debug && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    process.stderr.write(`${failure.text}\n`);
    process.exit(failure.exitCode);
  }
};
