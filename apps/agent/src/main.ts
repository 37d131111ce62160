import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parseJoinToken } from '@aviary/protocol';
import { pino } from 'pino';
import { loadEnrolment, loadIdentity, settleIdentity } from './identity/identity.ts';
import type { Invitation } from './identity/join.ts';
import type { KeyOptions } from './identity/prepared-keys.ts';
import { checkSocketPath } from './local-api/socket-file.ts';
import { lockState } from './state/state-lock.ts';
import { isPcrSelection } from './tpm/pcr-selection.ts';
import { Tpm } from './tpm/tpm.ts';
import { TpmTools } from './tpm/tpm-tools.ts';
import { AGENT_VERSION } from './version.ts';

const USAGE = `aviary-agent ${AGENT_VERSION}

Usage: aviary-agent join|key|seal-keys|run|status [options]

  join    make this board a device of a fleet
    --token TOKEN         from: aviary device enroll-token (or AVIARY_JOIN_TOKEN)
    --server URL          instead of a token: join with the key of this board, which has been preauthorised
                          (aviary device preauthorize) or waits until somebody approves it (aviary device approve)
    --ca-fingerprint HEX  beside --server: the fleet CA's, from: aviary device pending
    --name NAME           what people call it (the host name)
    --model NAME          take releases of this model line only; may be given several times (any)
    --seal tpm            keep the private keys sealed by the board's TPM (as before, or in files of mode 0600)
    --tpm-pcrs BANK:N,…   beside --seal: open them only while these PCRs are as now, e.g. sha256:7 (none)
  key     make the key of this board, where there is none, and print its public half; takes --seal, --tpm-pcrs
  seal-keys
          seal the keys of a device that has joined by its TPM, or anew to other PCRs; takes --tpm-pcrs
  run     serve, update, report; until told to stop
    --source dir:PATH     pictures to look at, over and over; labels.csv beside them gives right answers
    --fps N               pictures per second (5)
    --telemetry-seconds N how often it reports (10)
    --poll-seconds N      how often it looks for an assignment when nobody rings (60)
    --spool-mb N          most that waits on disk while offline (64)
    --patience-seconds N  a download slower than 256 bytes a second for so long is given up for now (30)
    --learn               keep labels that applications give it, and train with them when the fleet does
    --learn-samples N     most labelled samples that it keeps (2000)
    --socket PATH         where applications on the board reach it (<state-dir>/agent.sock); none: not at all
    --plaintext-dir DIR   where opened models lie, instead of a tmpfs: on disk they can be read by a thief
  status  who this device is and what it has

  --state-dir DIR         where the device keeps everything (/var/lib/aviary)
  --facts FILE            facts of a board to play, instead of finding them out
  --tcti TCTI             where the TPM is (TPM2TOOLS_TCTI, or device:/dev/tpmrm0)
`;

/** What takes longer does not fit into a telemetry window, and timers that are far longer fire at once. */
const SECONDS_OF_A_DAY = 86_400;

/** What is wrong with a command line, when others find it. */
const USAGE_CODES: ReadonlySet<string> = new Set(['join-token-malformed', 'socket-path-too-long']);

/** The command line is wrong; exit code 2. */
class UsageError extends Error {
  readonly code = 'usage';
}

const OPTIONS = {
  token: { type: 'string' },
  server: { type: 'string' },
  'ca-fingerprint': { type: 'string' },
  model: { type: 'string', multiple: true },
  name: { type: 'string' },
  source: { type: 'string' },
  fps: { type: 'string' },
  'telemetry-seconds': { type: 'string' },
  'poll-seconds': { type: 'string' },
  'spool-mb': { type: 'string' },
  'patience-seconds': { type: 'string' },
  'plaintext-dir': { type: 'string' },
  learn: { type: 'boolean' },
  'learn-samples': { type: 'string' },
  socket: { type: 'string' },
  'state-dir': { type: 'string' },
  facts: { type: 'string' },
  seal: { type: 'string' },
  'tpm-pcrs': { type: 'string' },
  tcti: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

const readArguments = () => {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  }
};

type Values = ReturnType<typeof readArguments>['values'];

const numberOf = (
  values: Values,
  name: 'fps' | 'telemetry-seconds' | 'poll-seconds' | 'spool-mb' | 'patience-seconds' | 'learn-samples',
  otherwise: number,
  most: number,
): number => {
  const text = values[name];
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (value > 0 && value <= most) return value;
  throw new UsageError(`Expected a number above 0 and at most ${most} for --${name}, got "${text}".`);
};

/** @returns null when the device does not learn */
const learnSamplesOf = (values: Values): number | null => {
  const most = numberOf(values, 'learn-samples', 2_000, 20_000);
  if (!Number.isInteger(most)) throw new UsageError(`Expected a whole number for --learn-samples, got "${most}".`);
  if (values.learn === true) return most;
  if (values['learn-samples'] === undefined) return null;
  throw new UsageError('Expected --learn beside --learn-samples: without it the device keeps none.');
};

const factsOf = async (values: Values, stateDirectory: string) => {
  const { detectFacts, readFacts } = await import('./facts/detect-facts.ts');
  return values.facts === undefined ? detectFacts(stateDirectory) : readFacts(values.facts);
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

/** @throws UsageError */
const invitationOf = (values: Values): Invitation => {
  const { server, 'ca-fingerprint': fingerprint, token } = values;
  if (server === undefined && fingerprint === undefined) {
    const text = token ?? process.env.AVIARY_JOIN_TOKEN;
    if (text !== undefined) return parseJoinToken(text);
    throw new UsageError(
      'Expected --token TOKEN (make one with: aviary device enroll-token), or --server URL with --ca-fingerprint HEX (see: aviary device pending).',
    );
  }
  if (token !== undefined) throw new UsageError('Expected --token or --server, got both: a token says which server.');
  if (server === undefined || fingerprint === undefined) {
    throw new UsageError('Expected both --server URL and --ca-fingerprint HEX. See: aviary device pending');
  }
  const [, host, port = '443'] = /^https:\/\/([^/]+?)(?::(\d+))?\/?$/.exec(server) ?? [];
  if (host === undefined) {
    throw new UsageError(`Expected an address such as https://fleet.example:8443 for --server, got "${server}".`);
  }
  const caFingerprint = fingerprint.replaceAll(':', '').toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(caFingerprint)) {
    throw new UsageError(`Expected 64 hex digits for --ca-fingerprint, got "${fingerprint}".`);
  }
  return { url: `https://${host}:${port}`, caFingerprint };
};

/** @throws UsageError */
const modelsOf = async ({ model }: Values): Promise<readonly string[] | undefined> => {
  const { modelNameSchema } = await import('@aviary/release');
  const wrong = model?.find((name) => !modelNameSchema.safeParse(name).success);
  if (wrong === undefined) return model;
  throw new UsageError(`Expected the name of a model, e.g. meter-reader, for --model, got "${wrong}".`);
};

const tpmOf = ({ tcti }: Values): Tpm => new Tpm(new TpmTools(tcti));

/** @returns null for none @throws UsageError */
const pcrsOf = ({ 'tpm-pcrs': pcrs }: Values): string | null => {
  if (pcrs === undefined) return null;
  if (isPcrSelection(pcrs)) return pcrs;
  throw new UsageError(`Expected PCRs of one bank such as sha256:7 or sha256:0,7 for --tpm-pcrs, got "${pcrs}".`);
};

/** How keys are to be kept. @throws UsageError */
const keyOptionsOf = (values: Values): KeyOptions => {
  const { seal, 'tpm-pcrs': pcrs } = values;
  if (seal !== undefined && seal !== 'tpm') throw new UsageError(`Expected --seal tpm, got "${seal}".`);
  if (seal === undefined && pcrs !== undefined) throw new UsageError('Expected --seal tpm beside --tpm-pcrs.');
  return { tpm: tpmOf(values), sealing: seal === undefined ? undefined : { pcrs: pcrsOf(values) } };
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
  const facts = await factsOf(values, stateDirectory);
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
  const [, path] = /^dir:(.+)$/.exec(values.source ?? '') ?? [];
  if (path === undefined) {
    throw new UsageError(
      `Expected --source dir:PATH, a folder of pictures, got ${values.source === undefined ? 'none' : `"${values.source}"`}.`,
    );
  }
  const options = {
    stateDirectory,
    source: { kind: 'directory' as const, path: resolve(path) },
    fps: numberOf(values, 'fps', 5, 1_000),
    telemetrySeconds: numberOf(values, 'telemetry-seconds', 10, SECONDS_OF_A_DAY),
    pollSeconds: numberOf(values, 'poll-seconds', 60, SECONDS_OF_A_DAY),
    spoolBytes: numberOf(values, 'spool-mb', 64, 2 ** 20) * 2 ** 20,
    patienceSeconds: numberOf(values, 'patience-seconds', 30, 3_600),
    plaintextDirectory: values['plaintext-dir'],
    socket: values.socket === 'none' ? null : resolve(values.socket ?? join(stateDirectory, 'agent.sock')),
    learnSamples: learnSamplesOf(values),
  };
  if (options.socket !== null) checkSocketPath(options.socket);
  const level = process.env.AVIARY_LOG_LEVEL ?? 'info';
  if (!(level in pino.levels.values) && level !== 'silent') {
    throw new UsageError(
      `Expected one of ${Object.keys(pino.levels.values).join(', ')} in AVIARY_LOG_LEVEL, got "${level}".`,
    );
  }
  await loadEnrolment(stateDirectory);
  const unlock = await lockState(stateDirectory);
  try {
    await settleIdentity(stateDirectory);
    const identity = await loadIdentity(stateDirectory, tpmOf(values));
    const log = pino({ level, base: { device: identity.deviceId } }, pino.destination(2));
    const told = new Promise<string>((done) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done(signal));
    });
    const facts = await factsOf(values, stateDirectory);
    const { startSupervisor } = await import('./supervisor.ts');
    const supervisor = await startSupervisor(identity, facts, options, log);
    log.info({ signal: await told }, 'stopping');
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

const main = async (): Promise<void> => {
  const { values, positionals } = readArguments();
  const [command, ...extra] = positionals;
  if (values.help === true) {
    process.stdout.write(USAGE);
    return;
  }
  if (command === undefined) throw new UsageError(`Expected join, key, seal-keys, run or status.\n\n${USAGE}`);
  const stateDirectory = resolve(values['state-dir'] ?? '/var/lib/aviary');
  if (extra.length > 0) throw new UsageError(`Expected one command, got "${positionals.join(' ')}".\n\n${USAGE}`);
  if (command === 'join') await joinThisBoard(values, stateDirectory);
  else if (command === 'key') await printKey(values, stateDirectory);
  else if (command === 'seal-keys') await sealTheKeys(values, stateDirectory);
  else if (command === 'run') await run(values, stateDirectory);
  else if (command === 'status') await status(values, stateDirectory);
  else throw new UsageError(`Expected join, key, seal-keys, run or status, got "${command}".\n\n${USAGE}`);
};

try {
  await main();
  process.exit();
} catch (error) {
  const isOurs = error instanceof Error && 'code' in error && typeof error.code === 'string';
  process.stderr.write(`aviary-agent: ${isOurs ? error.message : error instanceof Error ? error.stack : error}\n`);
  const isUsage = error instanceof UsageError || (isOurs && USAGE_CODES.has(String(error.code)));
  process.exit(isUsage ? 2 : 1);
}
