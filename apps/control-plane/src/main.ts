import 'reflect-metadata';
import { readConfig, USAGE, UsageError, WRONG_SETTINGS } from './config.ts';
import { MasterKeyError } from './infra/master-key.ts';

/** Errors that a person can mend are told in a sentence; any other keeps its stack. */
const describe = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' ? error.message : (error.stack ?? error.message);
};

try {
  const { command, config, rotation } = readConfig(process.argv.slice(2), process.env);
  // No program that is started from here, PostgreSQL for one, has any use for it.
  delete process.env.AVIARY_MASTER_KEY;
  if (command === 'help') {
    process.stdout.write(USAGE);
  } else if (command === 'all') {
    const { runEverything } = await import('./launcher/launcher.ts');
    await runEverything(config);
  } else if (rotation !== undefined) {
    const { rotateMasterKey } = await import('./launcher/rotate-master-key.ts');
    await rotateMasterKey(config, rotation);
  } else {
    const { runRoles } = await import('./roles/run-roles.ts');
    await runRoles(config);
  }
  process.exit(0);
} catch (error) {
  process.stderr.write(`aviary-control-plane: ${describe(error)}\n`);
  process.exit(error instanceof UsageError || error instanceof MasterKeyError ? WRONG_SETTINGS : 1);
}
