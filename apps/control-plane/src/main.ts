import 'reflect-metadata';
import { readConfig, USAGE, UsageError } from './config.ts';

/** Errors that a person can mend are told in a sentence; any other keeps its stack. */
const describe = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' ? error.message : (error.stack ?? error.message);
};

try {
  const { command, config } = readConfig(process.argv.slice(2), process.env);
  if (command === 'help') {
    process.stdout.write(USAGE);
  } else if (command === 'all') {
    const { runEverything } = await import('./launcher/launcher.ts');
    await runEverything(config);
  } else {
    const { runRoles } = await import('./roles/run-roles.ts');
    await runRoles(config);
  }
  process.exit(0);
} catch (error) {
  process.stderr.write(`aviary-control-plane: ${describe(error)}\n`);
  process.exit(error instanceof UsageError ? 2 : 1);
}
