import { parseArgs } from 'node:util';
import { z } from 'zod';

export const ROLES = ['api', 'gateway', 'conductor'] as const;

/** Exit code of a process that cannot run as it was told; starting it again would not help. */
export const WRONG_SETTINGS = 2;

const port = z.coerce.number().int().min(1).max(65_535);
const mqttUrl = z
  .url({ protocol: /^mqtts$/, error: 'expected an address such as mqtts://broker.example:8884' })
  .transform((text) => text.replace(/\/+$/, ''));

/**
 * Everything that a process of the control plane is told, from flags or the environment (flags win). Each name in the
 * environment is the upper-case flag after `AVIARY_`, but for `DATABASE_URL` and `MQTT_URL`.
 */
const configSchema = z.object({
  data: z.string().min(1).default('.aviary'),
  host: z.string().min(1).default('127.0.0.1'),
  publicHost: z.string().min(1).optional(),
  publicUrl: z
    .url({ protocol: /^https?$/, error: 'expected an address such as https://fleet.example' })
    .transform((text) => text.replace(/\/+$/, ''))
    .optional(),
  httpPort: port.default(8080),
  devicePort: port.default(8443),
  mqttPort: port.default(8883),
  mqttUrl: mqttUrl.optional(),
  publicMqttUrl: mqttUrl.optional(),
  emqxUrl: z
    .url({ protocol: /^https?$/, error: 'expected the address of its HTTP API, such as http://emqx.internal:18083' })
    .transform((text) => text.replace(/\/+$/, ''))
    .optional(),
  emqxKey: z
    .string()
    .regex(/^[^:]+:.+$/, 'expected KEY:SECRET of an API key')
    .optional(),
  databaseUrl: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'expected postgres://user:password@host/database')
    .optional(),
  roles: z
    .string()
    .default('api,conductor')
    .transform((text) => [...new Set(text.split(',').map((role) => role.trim()))])
    .pipe(z.array(z.enum(ROLES)).min(1)),
  consoleDir: z.string().min(1).optional(),
  deviceCertDays: z.coerce.number().min(7).max(30).default(30),
  deviceCertSeconds: z.coerce.number().int().min(5).optional(),
  separate: z.stringbool().default(false),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  masterKey: z.string().optional(),
  masterKeyCommand: z.string().optional(),
});

export interface Config
  extends Omit<z.output<typeof configSchema>, 'publicHost' | 'deviceCertDays' | 'deviceCertSeconds'> {
  /** The host name that devices use; also in the server certificate. */
  readonly publicHost: string;
  /** How long a device's certificate is valid. */
  readonly deviceCertSeconds: number;
}

/** The command line or the environment is wrong; the message is for a person. Exit code 2. */
export class UsageError extends Error {
  readonly code = 'usage';
}

const OPTIONS = {
  data: { type: 'string' },
  host: { type: 'string' },
  'public-host': { type: 'string' },
  'public-url': { type: 'string' },
  'http-port': { type: 'string' },
  'device-port': { type: 'string' },
  'mqtt-port': { type: 'string' },
  'mqtt-url': { type: 'string' },
  'public-mqtt-url': { type: 'string' },
  'emqx-url': { type: 'string' },
  'database-url': { type: 'string' },
  roles: { type: 'string' },
  'console-dir': { type: 'string' },
  'device-cert-days': { type: 'string' },
  // For trying renewal out, without waiting for days; not in the help.
  'device-cert-seconds': { type: 'string' },
  separate: { type: 'boolean' },
  'log-level': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Everybody may read the arguments of a process, so these come from the environment alone. */
const ENVIRONMENT_ONLY = ['master-key', 'master-key-command', 'emqx-key'] as const;

const ROTATION_OPTIONS = {
  'new-key-file': { type: 'string' },
  'new-key-command': { type: 'string' },
  finish: { type: 'boolean' },
} as const;

/** What `rotate-master-key` is told: where the new key is, or that all processes have it. */
export type RotationOrder =
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'command'; readonly command: string }
  | { readonly kind: 'finish' };

export const USAGE = `Usage: aviary-control-plane all|run|rotate-master-key [options]

  all   everything on this machine: an embedded PostgreSQL (unless DATABASE_URL is set), api + conductor, gateway
  run   one process with the roles of --roles; needs DATABASE_URL
  rotate-master-key   seals every secret in the database anew, under another master key; may be run while the roles
                      run, and again when it was cut off; uses the embedded PostgreSQL of --data, or DATABASE_URL

  --data DIR           where keys, blobs and the embedded database live (.aviary)
  --host HOST          address to listen on (127.0.0.1)
  --public-host HOST   name under which devices reach this machine (the value of --host)
  --public-url URL     address of the console where a proxy shows it, e.g. https://fleet.example; the proxy's
                       X-Forwarded-For, -Proto and -Host are then believed (none: browsers come directly)
  --http-port N        admin plane: API and console (8080)
  --device-port N      device plane: HTTPS with device certificates (8443)
  --mqtt-port N        MQTT over TLS (8883)
  --mqtt-url URL       an MQTT broker of your own, where gateways come in: mqtts://HOST:PORT (none: one is built in)
  --public-mqtt-url URL  where devices come in to that broker (mqtts://PUBLIC-HOST:MQTT-PORT)
  --emqx-url URL       HTTP API of that broker, where it is EMQX (none: it is Mosquitto)
  --database-url URL   another PostgreSQL
  --roles LIST         of api, gateway, conductor (api,conductor)
  --console-dir DIR    the built console, where it is not the one of this installation
  --device-cert-days N for how long a device's certificate is valid, 7 to 30; it is renewed at two thirds (30)
  --separate           with "all": one process per role, instead of api + conductor in one
  --log-level LEVEL    trace | debug | info | warn | error | silent (info)

  --new-key-file FILE  with "rotate-master-key": the new key, 32 bytes in base64 or hex
  --new-key-command C  with "rotate-master-key": a program with arguments that prints the new key; run without a shell
  --finish             with "rotate-master-key": every process has the new key; from now on the old one opens nothing

The master key lies in DIR/keys/master.key, made at the first start; or in AVIARY_MASTER_KEY (32 bytes in base64); or
AVIARY_MASTER_KEY_COMMAND names a program with arguments that prints it, run without a shell.

Each option can come from the environment as AVIARY_<NAME>, e.g. AVIARY_HTTP_PORT; the database as DATABASE_URL, the
broker as MQTT_URL. The key to EMQX's API (KEY:SECRET) belongs there, too: AVIARY_EMQX_KEY.
`;

const complete = ({ deviceCertDays, deviceCertSeconds, ...settings }: z.output<typeof configSchema>): Config => ({
  ...settings,
  deviceCertSeconds: deviceCertSeconds ?? deviceCertDays * 86_400,
  publicHost: settings.publicHost ?? settings.host,
});

/** Named in the environment as everybody names them. */
const UNPREFIXED: ReadonlySet<string> = new Set(['database-url', 'mqtt-url']);

/** Their values are not repeated in a message. */
const SECRET: Readonly<Record<string, string>> = {
  databaseUrl: 'another kind of address',
  emqxKey: 'another text',
};

const camel = (name: string): string => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/**
 * Reads the command line and the environment.
 * @throws UsageError naming every wrong value at once.
 */
export const readConfig = (
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): { command: 'all' | 'run' | 'help' | 'rotate-master-key'; config: Config; rotation?: RotationOrder } => {
  let parsed: ReturnType<
    typeof parseArgs<{ options: typeof OPTIONS & typeof ROTATION_OPTIONS; allowPositionals: true }>
  >;
  try {
    parsed = parseArgs({ args: [...args], options: { ...OPTIONS, ...ROTATION_OPTIONS }, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
  const [command, ...extra] = parsed.positionals;
  if (parsed.values.help === true || command === undefined || command === 'help') {
    // Help is given whatever the settings say.
    return { command: 'help', config: complete(configSchema.parse({})) };
  }
  const given: Record<string, unknown> = {};
  for (const name of ENVIRONMENT_ONLY) {
    const value = environment[`AVIARY_${name.toUpperCase().replaceAll('-', '_')}`];
    if (value !== undefined && value.trim() !== '') given[camel(name)] = value;
  }
  for (const name of Object.keys(OPTIONS)) {
    const upper = name.toUpperCase().replaceAll('-', '_');
    const variable = UNPREFIXED.has(name) ? upper : `AVIARY_${upper}`;
    const value = parsed.values[name as keyof typeof parsed.values] ?? environment[variable];
    if (value !== undefined && value !== '') given[camel(name)] = String(value);
  }
  const result = configSchema.safeParse(given);
  if (!result.success) {
    const problems = result.error.issues.map((issue) => {
      const name = String(issue.path[0]);
      // An address of a database holds a password.
      const got = SECRET[name] ?? JSON.stringify(given[name]);
      return `  ${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}: ${issue.message}, got ${got}`;
    });
    throw new UsageError(`These settings are wrong:\n${problems.join('\n')}\nSee aviary-control-plane --help.`);
  }
  if ((command !== 'all' && command !== 'run' && command !== 'rotate-master-key') || extra.length > 0) {
    throw new UsageError(
      `Expected "all", "run" or "rotate-master-key", got "${parsed.positionals.join(' ')}".\n\n${USAGE}`,
    );
  }
  const { emqxUrl, emqxKey, mqttUrl: brokerUrl } = result.data;
  if ((emqxUrl === undefined) !== (emqxKey === undefined) || (emqxUrl !== undefined && brokerUrl === undefined)) {
    throw new UsageError(
      'Expected --emqx-url, AVIARY_EMQX_KEY and MQTT_URL together: with EMQX, revoked devices are ended by its API.',
    );
  }
  const rotation = readRotation(command, parsed.values);
  return { command, config: complete(result.data), ...(rotation === undefined ? {} : { rotation }) };
};

const readRotation = (
  command: string,
  values: { 'new-key-file'?: string; 'new-key-command'?: string; finish?: boolean },
): RotationOrder | undefined => {
  const { 'new-key-file': file, 'new-key-command': keyCommand, finish } = values;
  const orders: RotationOrder[] = [
    ...(file === undefined ? [] : [{ kind: 'file', file } as const]),
    ...(keyCommand === undefined ? [] : [{ kind: 'command', command: keyCommand } as const]),
    ...(finish === true ? [{ kind: 'finish' } as const] : []),
  ];
  if (command === 'rotate-master-key' ? orders.length === 1 : orders.length === 0) return orders[0];
  throw new UsageError(
    command === 'rotate-master-key'
      ? `Expected one of --new-key-file, --new-key-command and --finish with "rotate-master-key", got ${orders.length === 0 ? 'none' : orders.length}. See aviary-control-plane --help.`
      : `--new-key-file, --new-key-command and --finish belong to "rotate-master-key", not to "${command}".`,
  );
};
