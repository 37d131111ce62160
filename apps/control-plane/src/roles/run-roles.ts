import { hostname } from 'node:os';
import { type Config, UsageError } from '../config.ts';
import { setUpAddress } from '../features/access/set-up-code.ts';
import { builtConsole } from '../features/console/console-files.ts';
import { RoundConductor } from '../features/federation/round-conductor.ts';
import { Conductor } from '../features/rollouts/conductor.ts';
import { WavePairs } from '../features/rollouts/wave-pairs.ts';
import { createLogger, type Logger } from '../infra/log.ts';
import { startGateway } from './gateway-role.ts';
import { closeWithin, startAdminPlane, startDevicePlane } from './http-servers.ts';
import { openServices, type Services } from './services.ts';

type Stop = () => Promise<void>;

const startApi = async (services: Services, config: Config, log: Logger): Promise<Stop> => {
  const identity = await services.ca.issueServer([config.publicHost, config.host, hostname()]);
  services.live.start();
  const { host, httpPort: port } = config;
  const consoleDirectory = config.consoleDir ?? builtConsole();
  const admin = await startAdminPlane(services, log, { host, port, consoleDirectory });
  const device = await startDevicePlane(services, identity, log, { host: config.host, port: config.devicePort });
  // A launcher says it itself, in words.
  if (process.env.AVIARY_TIED_TO_STDIN !== '1' && (await services.accounts.isEmpty())) {
    const address = setUpAddress(services.addresses.consoleUrl, services.adminToken);
    log.info({ address }, 'there is no account yet; the first one is made at this address');
  }
  return async () => {
    // Before their servers, which would wait for them.
    services.live.stop();
    await Promise.all([closeWithin(admin), closeWithin(device)]);
  };
};

const startConductor = async (services: Services, log: Logger): Promise<Stop> => {
  const { database, steps, executions, devices, roundApplier } = services;
  const conductor = new Conductor(database, steps, executions, devices, new WavePairs(database, log), log);
  const roundConductor = new RoundConductor(database, roundApplier, log);
  conductor.start();
  roundConductor.start();
  services.onlineSigning.start(log);
  return async () => {
    services.onlineSigning.stop();
    await Promise.all([conductor.stop(), roundConductor.stop()]);
  };
};

/** Resolves when the process is asked to end, or when the launcher to which its standard input is tied is gone. */
const toldToStop = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    if (process.env.AVIARY_TIED_TO_STDIN === '1') {
      process.stdin.resume();
      process.stdin.once('end', resolve).once('error', () => resolve());
    }
  });

/** Runs one process of the control plane with the roles that it was given, until told to stop. */
export const runRoles = async (config: Config): Promise<void> => {
  const { databaseUrl } = config;
  if (databaseUrl === undefined) {
    throw new UsageError(
      'Expected DATABASE_URL (or --database-url) for "run". To have a database brought along, use "all".',
    );
  }
  const stopped = toldToStop();
  const log = createLogger(config.roles.join('+'), config.logLevel);
  const services = await openServices({ ...config, databaseUrl }, log);
  const stops: Stop[] = [];
  try {
    for (const role of config.roles) {
      if (role === 'api') stops.push(await startApi(services, config, log));
      if (role === 'gateway') stops.push(await startGateway(services, config, log));
      if (role === 'conductor') stops.push(await startConductor(services, log));
    }
    log.info({ roles: config.roles }, 'started');
    await stopped;
    log.info('stopping');
  } finally {
    for (const stop of stops.reverse()) await stop();
    await services.database.stop();
  }
};
