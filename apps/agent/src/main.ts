import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parseJoinToken } from '@aviary/protocol';
import { pino } from 'pino';
import { loadIdentity } from './identity/identity.ts';
import { checkSocketPath } from './local-api/socket-file.ts';
import { lockState } from './state/state-lock.ts';
import { AGENT_VERSION } from './version.ts';

const USAGE = `aviary-agent ${AGENT_VERSION}

Usage: aviary-agent join|run|status [options]

  join    make this board a device of a fleet
    --token TOKEN         from: aviary device enroll-token (or AVIARY_JOIN_TOKEN)
    --name NAME           what people call it (the host name)
  run     serve, update, report; until told to stop
    --source dir:PATH     pictures to look at, over and over; labels.csv beside them gives right answers
    --fps N               pictures per second (5)
    --telemetry-seconds N how often it reports (10)
    --poll-seconds N      how often it looks for an assignment when nobody rings (60)
    --spool-mb N          most that waits on disk while offline (64)
    --learn               keep labels that applications give it, and train with them when the fleet does
    --learn-samples N     most labelled samples that it keeps (2000)
    --socket PATH         where applications on the board reach it (<state-dir>/agent.sock); none: not at all
    --plaintext-dir DIR   where opened models lie, instead of a tmpfs: on disk they can be read by a thief
  status  who this device is and what it has

  --state-dir DIR         where the device keeps everything (/var/lib/aviary)
  --facts FILE            facts of a board to play, instead of finding them out
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
  name: { type: 'string' },
  source: { type: 'string' },
  fps: { type: 'string' },
  'telemetry-seconds': { type: 'string' },
  'poll-seconds': { type: 'string' },
  'spool-mb': { type: 'string' },
  'plaintext-dir': { type: 'string' },
  learn: { type: 'boolean' },
  'learn-samples': { type: 'string' },
  socket: { type: 'string' },
  'state-dir': { type: 'string' },
  facts: { type: 'string' },
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
  name: 'fps' | 'telemetry-seconds' | 'poll-seconds' | 'spool-mb' | 'learn-samples',
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

const joinThisBoard = async (values: Values, stateDirectory: string): Promise<void> => {
  const text = values.token ?? process.env.AVIARY_JOIN_TOKEN;
  if (text === undefined) throw new UsageError('Expected --token TOKEN. Make one with: aviary device enroll-token');
  const token = parseJoinToken(text);
  await makeStateDirectory(stateDirectory);
  const facts = await factsOf(values, stateDirectory);
  const { joinFleet } = await import('./identity/join.ts');
  const unlock = await lockState(stateDirectory);
  let deviceId: string;
  try {
    deviceId = await joinFleet(stateDirectory, token, { name: values.name, facts });
  } finally {
    await unlock();
  }
  process.stdout.write(`joined as ${deviceId}\n`);
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
  const identity = await loadIdentity(stateDirectory);
  const unlock = await lockState(stateDirectory);
  try {
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

const status = async (stateDirectory: string): Promise<void> => {
  const identity = await loadIdentity(stateDirectory);
  const { deviceId, deviceUrl, epoch } = identity;
  const { peekJournal } = await import('./state/journal.ts');
  const journal = await peekJournal(stateDirectory);
  const lines = [`device     ${deviceId} (epoch ${epoch}) of ${deviceUrl}`];
  if (journal === undefined) {
    lines.push('journal    none: it has not run yet');
  } else {
    const { committed, previous, candidate, rollbackFloor, sequence, quarantined } = journal;
    const named = (release: { release: string; variant: string } | null | undefined): string =>
      release === null || release === undefined ? 'none' : `${release.release} ${release.variant}`;
    lines.push(
      `committed  ${named(committed)}${quarantined.includes(committed?.digest ?? '') ? ' (quarantined: its workers keep dying)' : ''}`,
      `before it  ${named(previous)}`,
      `candidate  ${named(candidate?.release)}${candidate === null ? '' : ` (${candidate.stage})`}`,
      `floor      ${rollbackFloor}, assignment ${sequence}`,
    );
  }
  const { openSampleStore } = await import('./learning/sample-store.ts');
  for (const { digest, samples, perLabel } of await (await openSampleStore(stateDirectory, identity, 1)).count()) {
    const each = Object.entries(perLabel).map(([label, count]) => `${label} ${count}`);
    lines.push(`learnt     ${samples} samples of backbone ${digest.slice(0, 12)}: ${each.join(', ') || 'none'}`);
  }
  process.stdout.write(`${lines.join('\n')}\n`);
};

const main = async (): Promise<void> => {
  const { values, positionals } = readArguments();
  const [command, ...extra] = positionals;
  if (values.help === true) {
    process.stdout.write(USAGE);
    return;
  }
  if (command === undefined) throw new UsageError(`Expected join, run or status.\n\n${USAGE}`);
  const stateDirectory = resolve(values['state-dir'] ?? '/var/lib/aviary');
  if (extra.length > 0) throw new UsageError(`Expected one command, got "${positionals.join(' ')}".\n\n${USAGE}`);
  if (command === 'join') await joinThisBoard(values, stateDirectory);
  else if (command === 'run') await run(values, stateDirectory);
  else if (command === 'status') await status(stateDirectory);
  else throw new UsageError(`Expected join, run or status, got "${command}".\n\n${USAGE}`);
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
