import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { openLog } from './agent-log.ts';
import {
  invitationOf,
  keyOptionsOf,
  logFileOf,
  logLevelOf,
  modelsOf,
  pcrsOf,
  readArguments,
  runOptionsOf,
  sidecarCheckOf,
  sidecarFolderOf,
  tpmOf,
  USAGE,
  UsageError,
  type Values,
} from './command-line.ts';
import { loadEnrolment, loadIdentity, settleIdentity } from './identity/identity.ts';
import { checkSocketPath } from './local-api/socket-file.ts';
import { findServiceManager } from './service-manager/service-manager.ts';
import { isDiskFull } from './state/full-disk.ts';
import { lockState } from './state/state-lock.ts';

const COMMANDS = 'join, key, seal-keys, run, status or check-sidecar';

/** What is wrong with a command line, when others find it. */
const USAGE_CODES: ReadonlySet<string> = new Set([
  'join-token-malformed',
  'listen-not-loopback',
  'log-file-unusable',
  'options-file-invalid',
  'socket-path-too-long',
  'source-malformed',
  'state-unwritable',
]);

/** The board's sidecars, each of them started once, and what the board is. */
const boardOf = async (values: Values, stateDirectory: string) => {
  const sidecars = await (await import('./inference/sidecar/find-sidecars.ts')).findSidecars(sidecarFolderOf(values));
  const facts =
    values.facts === undefined
      ? await (await import('./facts/detect-facts.ts')).detectFacts(stateDirectory, { sidecars })
      : await (await import('./facts/given-facts.ts')).readFacts(values.facts);
  return { sidecars, facts };
};

/** @throws UsageError for a folder that cannot be made */
const makeStateDirectory = async (path: string): Promise<void> => {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    throw new UsageError(`The state directory cannot be made (${why}). Use another --state-dir, or become its owner.`);
  }
};

const sayPending = (fingerprint: string): void => {
  process.stderr.write(
    `This board waits for approval. Its key:\n\n  ${fingerprint}\n\nCompare it, then: aviary device approve ${fingerprint}\n`,
  );
};

const printKey = async (values: Values, stateDirectory: string): Promise<void> => {
  const options = keyOptionsOf(values);
  await makeStateDirectory(stateDirectory);
  const { demandNoIdentity } = await import('./identity/join.ts');
  const { fingerprintOf, prepareKeys, publicKeyOf } = await import('./identity/prepared-keys.ts');
  const unlock = await lockState(stateDirectory);
  try {
    await demandNoIdentity(stateDirectory);
    const { key } = await prepareKeys(stateDirectory, options);
    process.stderr.write(`SHA-256 ${fingerprintOf(key)}\n`);
    process.stdout.write(publicKeyOf(key));
  } finally {
    await unlock();
  }
};

const joinThisBoard = async (values: Values, stateDirectory: string): Promise<void> => {
  const invitation = invitationOf(values);
  const models = await modelsOf(values);
  const keyOptions = keyOptionsOf(values);
  await makeStateDirectory(stateDirectory);
  const { facts } = await boardOf(values, stateDirectory);
  const { joinFleet } = await import('./identity/join.ts');
  const unlock = await lockState(stateDirectory);
  let deviceId: string;
  try {
    const options = { name: values.name, facts, models, onPending: sayPending, ...keyOptions };
    deviceId = await joinFleet(stateDirectory, invitation, options);
  } finally {
    await unlock();
  }
  process.stdout.write(`joined as ${deviceId}\n`);
};

const sealTheKeys = async (values: Values, stateDirectory: string): Promise<void> => {
  const pcrs = pcrsOf(values);
  await loadEnrolment(stateDirectory);
  const { sealKeys } = await import('./identity/seal-keys.ts');
  const { keptAs } = await import('./status.ts');
  const unlock = await lockState(stateDirectory);
  try {
    await sealKeys(stateDirectory, tpmOf(values), pcrs);
  } finally {
    await unlock();
  }
  process.stdout.write(`keys ${keptAs({ pcrs })}\n`);
};

const run = async (values: Values, stateDirectory: string): Promise<void> => {
  const options = runOptionsOf(values, stateDirectory);
  if (options.socket !== null) checkSocketPath(options.socket);
  const level = logLevelOf(process.env);
  const logFile = logFileOf(values);
  await loadEnrolment(stateDirectory);
  const unlock = await lockState(stateDirectory);
  try {
    await settleIdentity(stateDirectory);
    const identity = await loadIdentity(stateDirectory, tpmOf(values));
    const log = openLog(level, identity.deviceId, logFile);
    const told = new Promise<string>((done) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done(signal));
    });
    const manager = findServiceManager(process.env, log);
    const { facts, sidecars } = await boardOf(values, stateDirectory);
    for (const { name, problem } of sidecars.failed) log.info({ sidecar: name }, problem);
    const { startSupervisor } = await import('./supervisor.ts');
    const supervisor = await startSupervisor(identity, facts, { ...options, sidecars }, log);
    manager?.ready(supervisor);
    log.info({ signal: await told }, 'stopping');
    manager?.stopping();
    await supervisor.stop();
    log.info('stopped');
  } finally {
    await unlock();
  }
};

const status = async (values: Values, stateDirectory: string): Promise<void> => {
  const identity = await loadIdentity(stateDirectory, tpmOf(values));
  const { statusLines } = await import('./status.ts');
  process.stdout.write(`${(await statusLines(stateDirectory, identity)).join('\n')}\n`);
};

/** @returns whether the sidecar meets all requirements */
const checkASidecar = async (values: Values, words: readonly string[]): Promise<boolean> => {
  const { sidecar, ...options } = await sidecarCheckOf(values, words);
  const { checkSidecar } = await import('./inference/sidecar/check-sidecar.ts');
  return checkSidecar({
    sidecar,
    ...options,
    onChecked: ({ requirement, problem }) =>
      void process.stdout.write(problem === null ? `ok      ${requirement}\n` : `FAILED  ${requirement}: ${problem}\n`),
  });
};

const main = async (): Promise<void> => {
  const { values, positionals } = readArguments();
  const [command, ...extra] = positionals;
  if (values.help === true) {
    process.stdout.write(USAGE);
    return;
  }
  if (command === undefined) throw new UsageError(`Expected ${COMMANDS}.\n\n${USAGE}`);
  if (command === 'check-sidecar') {
    if (!(await checkASidecar(values, extra))) process.exit(1);
    return;
  }
  const stateDirectory = resolve(values['state-dir'] ?? '/var/lib/aviary');
  if (extra.length > 0) throw new UsageError(`Expected one command, got "${positionals.join(' ')}".\n\n${USAGE}`);
  if (command === 'join') await joinThisBoard(values, stateDirectory);
  else if (command === 'key') await printKey(values, stateDirectory);
  else if (command === 'seal-keys') await sealTheKeys(values, stateDirectory);
  else if (command === 'run') await run(values, stateDirectory);
  else if (command === 'status') await status(values, stateDirectory);
  else throw new UsageError(`Expected ${COMMANDS}, got "${command}".\n\n${USAGE}`);
};

try {
  await main();
  process.exit();
} catch (error) {
  const isOurs = error instanceof Error && 'code' in error && typeof error.code === 'string';
  const words = isOurs ? error.message : error instanceof Error ? error.stack : error;
  const advice = isDiskFull(error) ? '. The disk is full: free some space, and say the same again.' : '';
  process.stderr.write(`aviary-agent: ${words}${advice}\n`);
  const isUsage = error instanceof UsageError || (isOurs && USAGE_CODES.has(String(error.code)));
  process.exit(isUsage ? 2 : 1);
}
