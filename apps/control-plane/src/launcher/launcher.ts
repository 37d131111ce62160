import { mkdir } from 'node:fs/promises';
import { adminRoutes } from '@aviary/protocol';
import { type Config, ROLES, UsageError } from '../config.ts';
import { loadAdminToken } from '../features/access/admin-token.ts';
import { setUpAddress } from '../features/access/set-up-code.ts';
import { findMasterKeySource } from '../infra/master-key-source.ts';
import { PublicAddresses } from '../infra/public-addresses.ts';
import { type EmbeddedDatabase, startEmbeddedDatabase } from './embedded-database.ts';
import { checkPortFree } from './ports.ts';
import { RoleProcess } from './role-process.ts';

const READY_TIMEOUT_MS = 45_000;
const DATABASE_CHECK_MS = 1_000;

/** Its processes do not come up. */
class NotReadyError extends Error {
  readonly code = 'not-ready';
}

const say = (line: string) => process.stderr.write(`aviary: ${line}\n`);

const waitUntilReady = async (url: string, stopped: () => boolean): Promise<void> => {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (Date.now() < deadline && !stopped()) {
    const answer = await fetch(`${url}/readyz`).catch(() => undefined);
    if (answer?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  if (!stopped())
    throw new NotReadyError(`The control plane was not ready within ${READY_TIMEOUT_MS / 1000} s; see its log above.`);
};

/** Where the console is, and how to come in for the first time as long as there is no account. */
const consoleWords = async (url: string, config: Config): Promise<string> => {
  const { consoleUrl } = new PublicAddresses(config);
  const answer = await fetch(`${url}${adminRoutes.showSetup.path}`).catch(() => undefined);
  const setup = adminRoutes.showSetup.response?.safeParse(await answer?.json().catch(() => undefined));
  if (setup?.data?.needed !== true) return `${consoleUrl}/`;
  return `${consoleUrl}/ — first visit: ${setUpAddress(consoleUrl, await loadAdminToken(config.data))}`;
};

/**
 * Runs everything on this machine until told to stop: PostgreSQL (unless `DATABASE_URL` names one), one process with
 * `api` and `conductor` (two with `--separate`), one with `gateway`. Whichever of them is killed is started again.
 */
export const runEverything = async (config: Config): Promise<void> => {
  let stop = () => {};
  const toldToStop = new Promise<void>((resolve) => {
    stop = resolve;
  });
  let stopping = false;
  let hasGivenUp = false;
  const giveUp = () => {
    hasGivenUp = true;
    stop();
  };
  void toldToStop.then(() => {
    stopping = true;
  });

  const source = await findMasterKeySource(config);
  // What stands in the environment is wrong from the first moment or not at all.
  if (source.file === undefined) await source.read();
  await mkdir(config.data, { recursive: true, mode: 0o711 });
  await checkPortFree(config.httpPort, config.host, '--http-port');
  await checkPortFree(config.devicePort, config.host, '--device-port');
  if (config.mqttUrl === undefined) await checkPortFree(config.mqttPort, config.host, '--mqtt-port');

  let database: EmbeddedDatabase | undefined;
  if (config.databaseUrl === undefined) {
    say('starting PostgreSQL');
    database = await startEmbeddedDatabase(config.data, say);
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);

  const flags = [
    ['--data', config.data],
    ['--host', config.host],
    ['--public-host', config.publicHost],
    ...(config.publicUrl === undefined ? [] : [['--public-url', config.publicUrl]]),
    ['--http-port', String(config.httpPort)],
    ['--device-port', String(config.devicePort)],
    ['--mqtt-port', String(config.mqttPort)],
    ...(config.mqttUrl === undefined ? [] : [['--mqtt-url', config.mqttUrl]]),
    ...(config.publicMqttUrl === undefined ? [] : [['--public-mqtt-url', config.publicMqttUrl]]),
    ...(config.emqxUrl === undefined ? [] : [['--emqx-url', config.emqxUrl]]),
    ['--device-cert-seconds', String(config.deviceCertSeconds)],
    ['--log-level', config.logLevel],
    config.consoleDir === undefined ? [] : ['--console-dir', config.consoleDir],
  ].flat();
  const startRoles = (): RoleProcess[] => {
    // In the environment and not in the arguments: everybody may read the arguments of a process.
    const environment = {
      ...process.env,
      DATABASE_URL: config.databaseUrl ?? database?.url,
      ...(config.masterKey === undefined ? {} : { AVIARY_MASTER_KEY: config.masterKey }),
      ...(config.emqxKey === undefined ? {} : { AVIARY_EMQX_KEY: config.emqxKey }),
    };
    const processes = config.separate ? ROLES : ['api,conductor', 'gateway'];
    const roles = processes.map((name) => new RoleProcess(name, ['--roles', name, ...flags], environment, say, giveUp));
    for (const role of roles) role.start();
    return roles;
  };
  let roles = startRoles();

  let mending = false;
  const watch = setInterval(async () => {
    if (database === undefined || database.alive() || mending || stopping) return;
    mending = true;
    say('PostgreSQL is gone; starting it again');
    await Promise.all(roles.map((role) => role.stop()));
    try {
      database = await startEmbeddedDatabase(config.data, say);
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
      roles = startRoles();
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
      stop();
    }
    mending = false;
  }, DATABASE_CHECK_MS);

  const url = `http://${config.host}:${config.httpPort}`;
  try {
    await waitUntilReady(url, () => stopping);
    if (!stopping) {
      say(
        `ready: API ${url} · devices https://${config.publicHost}:${config.devicePort} · MQTT ${new PublicAddresses(config).mqttUrl}`,
      );
      say(`Console: ${await consoleWords(url, config)}`);
      say(`data in ${config.data} · stop with Ctrl-C`);
    }
    await toldToStop;
  } finally {
    stopping = true;
    clearInterval(watch);
    say('stopping');
    await Promise.all(roles.map((role) => role.stop()));
    await database?.stop();
  }
  if (hasGivenUp) throw new UsageError('One of its processes cannot run as it was told; it says why above.');
};
