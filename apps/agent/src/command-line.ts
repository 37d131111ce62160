import { totalmem } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parseJoinToken } from '@aviary/protocol';
import { pino } from 'pino';
import type { Invitation } from './identity/enroll.ts';
import type { KeyOptions } from './identity/prepared-keys.ts';
import { parseSource } from './inference/capture/capture-source.ts';
import { parseListen } from './local-api/loopback.ts';
import type { LogFileOptions } from './log-file.ts';
import { readOptionsFile } from './options-file.ts';
import { isPcrSelection } from './tpm/pcr-selection.ts';
import { Tpm } from './tpm/tpm.ts';
import { TpmTools } from './tpm/tpm-tools.ts';
import { AGENT_VERSION } from './version.ts';

export const USAGE = `aviary-agent ${AGENT_VERSION}

Usage: aviary-agent join|key|seal-keys|run|status|check-sidecar [options]

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
    --source SOURCE       what to look at (or AVIARY_SOURCE, where an address holds a password)
      dir:PATH            pictures of a folder, over and over; labels.csv beside them gives right answers
      ffmpeg:INPUT        what ffmpeg opens: rtsp://…, /dev/video0, a video file; options of ffmpeg may stand before it
      gst:PIPELINE        what GStreamer makes, e.g. "gst:v4l2src device=/dev/video0"
      none                nothing: pictures come from applications on the board only
    --loop                beside ffmpeg: and a file: play it over and over
    --fps N               most pictures per second (5)
    --telemetry-seconds N how often it reports (10)
    --poll-seconds N      how often it looks for an assignment when nobody rings (60)
    --spool-mb N          most that waits on disk while offline (64)
    --patience-seconds N  a download slower than 256 bytes a second for so long is given up for now (30)
    --download-kbps N     most kilobits (1000 bits) a second that its downloads take together, from 16 up (no limit)
    --worker-memory-mb N  a worker that has more in memory is ended (three quarters of the board's memory)
    --learn               keep labels that applications give it, and train with them when the fleet does
    --learn-samples N     most labelled samples that it keeps (2000)
    --socket PATH         where applications on the board reach it (<state-dir>/agent.sock); none: not at all
    --listen ADDRESS      beside it, for all programs on the board: 127.0.0.1:PORT or [::1]:PORT (none)
    --plaintext-dir DIR   where opened models lie, instead of a tmpfs: on disk they can be read by a thief
    --log-file FILE       log to this file instead of standard error; what is old in it is put aside as FILE.1, FILE.2, …
    --log-max-mb N        beside it: from this size on (10)
    --log-files N         beside it: how many that were put aside are kept (3)
  status  who this device is and what it has
  check-sidecar
          hold a program that runs models to what the agent asks of one: its manifest, or -- and its command
    --with-model FILE     a model that it can load
    --format FORMAT       of the model: onnx, engine, tflite or hef (by the file's ending)

  --state-dir DIR         where the device keeps everything (/var/lib/aviary)
  --config FILE           further options, one a line: name = value, without the dashes; the command line comes first
  --sidecars DIR          manifests of programs that run other models than ONNX (those of the package); none: no such program
  --facts FILE            facts of a board to play, instead of finding them out
  --tcti TCTI             where the TPM is (TPM2TOOLS_TCTI, or device:/dev/tpmrm0)
`;

/** What takes longer does not fit into a telemetry window, and timers that are far longer fire at once. */
const SECONDS_OF_A_DAY = 86_400;

/** The command line is wrong; exit code 2. */
export class UsageError extends Error {
  readonly code = 'usage';
}

const OPTIONS = {
  token: { type: 'string' },
  server: { type: 'string' },
  'ca-fingerprint': { type: 'string' },
  model: { type: 'string', multiple: true },
  name: { type: 'string' },
  source: { type: 'string' },
  loop: { type: 'boolean' },
  fps: { type: 'string' },
  'telemetry-seconds': { type: 'string' },
  'poll-seconds': { type: 'string' },
  'spool-mb': { type: 'string' },
  'patience-seconds': { type: 'string' },
  'download-kbps': { type: 'string' },
  'worker-memory-mb': { type: 'string' },
  'plaintext-dir': { type: 'string' },
  learn: { type: 'boolean' },
  'learn-samples': { type: 'string' },
  socket: { type: 'string' },
  listen: { type: 'string' },
  'log-file': { type: 'string' },
  'log-max-mb': { type: 'string' },
  'log-files': { type: 'string' },
  'state-dir': { type: 'string' },
  config: { type: 'string' },
  sidecars: { type: 'string' },
  'with-model': { type: 'string' },
  format: { type: 'string' },
  facts: { type: 'string' },
  seal: { type: 'string' },
  'tpm-pcrs': { type: 'string' },
  tcti: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Its options and, where it names one, those of a file. @throws UsageError; OptionsFileError */
export const readArguments = () => {
  const given = parse(process.argv.slice(2));
  const { config } = given.values;
  if (config === undefined) return given;
  // What comes later counts.
  return parse([...readOptionsFile(config, OPTIONS), ...process.argv.slice(2)]);
};

const parse = (args: string[]) => {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  }
};

export type Values = ReturnType<typeof readArguments>['values'];

const numberOf = (
  values: Values,
  name:
    | 'fps'
    | 'telemetry-seconds'
    | 'poll-seconds'
    | 'spool-mb'
    | 'patience-seconds'
    | 'download-kbps'
    | 'worker-memory-mb'
    | 'log-max-mb'
    | 'log-files'
    | 'learn-samples',
  otherwise: number,
  most: number,
): number => {
  const text = values[name];
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (value > 0 && value <= most) return value;
  throw new UsageError(`Expected a number above 0 and at most ${most} for --${name}, got "${text}".`);
};

/** So much of the board's memory, or of what the agent may take of it, that all else on it still runs. */
const mostWorkerMemoryMB = (): number => {
  const limited = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.floor((Math.min(limited, totalmem()) / 2 ** 20) * 0.75);
};

/** Less, and what is gained is lost to time-outs on the way. */
const SLOWEST_KBPS = 16;
const BYTES_OF_A_KILOBIT = 125;

/** @returns bytes a second; undefined: as many as come */
const downloadRateOf = (values: Values): number | undefined => {
  if (values['download-kbps'] === undefined) return undefined;
  const kbps = numberOf(values, 'download-kbps', SLOWEST_KBPS, 100_000_000);
  if (kbps >= SLOWEST_KBPS) return kbps * BYTES_OF_A_KILOBIT;
  throw new UsageError(
    `Expected at least ${SLOWEST_KBPS} kilobits a second for --download-kbps, got "${values['download-kbps']}".`,
  );
};

/** @returns undefined: it logs to standard error */
export const logFileOf = (values: Values): LogFileOptions | undefined => {
  const { 'log-file': path } = values;
  const maxBytes = numberOf(values, 'log-max-mb', 10, 2 ** 14) * 2 ** 20;
  const kept = numberOf(values, 'log-files', 3, 1_000);
  if (!Number.isInteger(kept)) throw new UsageError(`Expected a whole number for --log-files, got "${kept}".`);
  if (path !== undefined) return { path: resolve(path), maxBytes, kept };
  for (const name of ['log-max-mb', 'log-files'] as const) {
    if (values[name] !== undefined) throw new UsageError(`Expected --log-file beside --${name}.`);
  }
  return undefined;
};

/** @returns null when the device does not learn */
const learnSamplesOf = (values: Values): number | null => {
  const most = numberOf(values, 'learn-samples', 2_000, 20_000);
  if (!Number.isInteger(most)) throw new UsageError(`Expected a whole number for --learn-samples, got "${most}".`);
  if (values.learn === true) return most;
  if (values['learn-samples'] === undefined) return null;
  throw new UsageError('Expected --learn beside --learn-samples: without it the device keeps none.');
};

/** @throws UsageError */
export const invitationOf = (values: Values): Invitation => {
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
export const modelsOf = async ({ model }: Values): Promise<readonly string[] | undefined> => {
  const { modelNameSchema } = await import('@aviary/release');
  const wrong = model?.find((name) => !modelNameSchema.safeParse(name).success);
  if (wrong === undefined) return model;
  throw new UsageError(`Expected the name of a model, e.g. meter-reader, for --model, got "${wrong}".`);
};

export const tpmOf = ({ tcti }: Values): Tpm => new Tpm(new TpmTools(tcti));

/** @returns null for none @throws UsageError */
export const pcrsOf = ({ 'tpm-pcrs': pcrs }: Values): string | null => {
  if (pcrs === undefined) return null;
  if (isPcrSelection(pcrs)) return pcrs;
  throw new UsageError(`Expected PCRs of one bank such as sha256:7 or sha256:0,7 for --tpm-pcrs, got "${pcrs}".`);
};

/** How keys are to be kept. @throws UsageError */
export const keyOptionsOf = (values: Values): KeyOptions => {
  const { seal, 'tpm-pcrs': pcrs } = values;
  if (seal !== undefined && seal !== 'tpm') throw new UsageError(`Expected --seal tpm, got "${seal}".`);
  if (seal === undefined && pcrs !== undefined) throw new UsageError('Expected --seal tpm beside --tpm-pcrs.');
  return { tpm: tpmOf(values), sealing: seal === undefined ? undefined : { pcrs: pcrsOf(values) } };
};

/** What the agent is to do. @throws UsageError; SourceError; ListenError */
export const runOptionsOf = (values: Values, stateDirectory: string) => {
  const source = parseSource(values.source ?? process.env.AVIARY_SOURCE, values.loop === true, (path) => resolve(path));
  return {
    stateDirectory,
    source,
    fps: numberOf(values, 'fps', 5, 1_000),
    telemetrySeconds: numberOf(values, 'telemetry-seconds', 10, SECONDS_OF_A_DAY),
    pollSeconds: numberOf(values, 'poll-seconds', 60, SECONDS_OF_A_DAY),
    spoolBytes: numberOf(values, 'spool-mb', 64, 2 ** 20) * 2 ** 20,
    patienceSeconds: numberOf(values, 'patience-seconds', 30, 3_600),
    downloadBytesPerSecond: downloadRateOf(values),
    workerMemoryMB: numberOf(values, 'worker-memory-mb', mostWorkerMemoryMB(), 2 ** 20),
    plaintextDirectory: values['plaintext-dir'],
    socket: values.socket === 'none' ? null : resolve(values.socket ?? join(stateDirectory, 'agent.sock')),
    listen: values.listen === undefined ? null : parseListen(values.listen),
    learnSamples: learnSamplesOf(values),
  };
};

/** Where the package has its sidecars. */
const PACKAGED_SIDECARS = '/usr/lib/aviary-agent/sidecars';

/** The folder of the manifests of sidecars; null for none. */
export const sidecarFolderOf = ({ sidecars }: Values): string | null =>
  sidecars === 'none' ? null : resolve(sidecars ?? PACKAGED_SIDECARS);

const FORMATS = ['onnx', 'engine', 'tflite', 'hef'];
/** Far longer than a model takes, and a build for a large one does not. */
const CHECK_PATIENCE_MS = 600_000;

/**
 * What is to be checked.
 * @param words the path of a manifest, or a command
 * @throws UsageError; SidecarManifestError
 */
export const sidecarCheckOf = async (values: Values, words: readonly string[]) => {
  const { 'with-model': file, format = extname(file ?? '').slice(1) } = values;
  const [first] = words;
  if (first === undefined) {
    throw new UsageError(
      'Expected a manifest, or -- and a command: aviary-agent check-sidecar --with-model FILE -- COMMAND',
    );
  }
  if (file === undefined) throw new UsageError('Expected --with-model FILE, a model that the sidecar can load.');
  if (!FORMATS.includes(format)) {
    throw new UsageError(`Expected one of ${FORMATS.join(', ')} for --format, got "${format}".`);
  }
  const isManifest = words.length === 1 && first.endsWith('.json');
  const { readSidecarManifest } = await import('./inference/sidecar/sidecar-manifest.ts');
  const sidecar = isManifest
    ? await readSidecarManifest(first)
    : { command: [...words], environment: {}, folder: process.cwd() };
  return { sidecar, model: resolve(file), format, patienceMs: CHECK_PATIENCE_MS };
};

/** @throws UsageError */
export const logLevelOf = (environment: NodeJS.ProcessEnv): string => {
  const level = environment.AVIARY_LOG_LEVEL ?? 'info';
  if (!(level in pino.levels.values) && level !== 'silent') {
    throw new UsageError(
      `Expected one of ${Object.keys(pino.levels.values).join(', ')} in AVIARY_LOG_LEVEL, got "${level}".`,
    );
  }
  return level;
};
