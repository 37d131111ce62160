import { hostname } from 'node:os';
import type { Config } from '../config.ts';
import type { Broker } from '../features/mqtt/broker.ts';
import { connectionsTo } from '../features/mqtt/broker-connections.ts';
import { EmbeddedBroker } from '../features/mqtt/embedded-broker.ts';
import { EmqxControl } from '../features/mqtt/emqx-control.ts';
import { ExternalBroker } from '../features/mqtt/external-broker.ts';
import { Gateway } from '../features/mqtt/gateway.ts';
import { MosquittoControl } from '../features/mqtt/mosquitto-control.ts';
import { OutboxCourier } from '../features/mqtt/outbox-courier.ts';
import { SessionWatch } from '../features/mqtt/session-watch.ts';
import { ensurePartitions } from '../features/telemetry/partitions.ts';
import { RecordHandlers } from '../features/telemetry/record-handlers.ts';
import { TelemetryQueue } from '../features/telemetry/telemetry-queue.ts';
import { TelemetryWriter } from '../features/telemetry/telemetry-writer.ts';
import type { Logger } from '../infra/log.ts';
import type { Services } from './services.ts';

const embeddedBroker = async (services: Services, config: Config, gateway: Gateway, log: Logger): Promise<Broker> => {
  const identity = await services.ca.issueServer([config.publicHost, config.host, hostname()]);
  // Nobody is connected yet, whatever a killed gateway has left behind.
  await services.devices.markAllOffline();
  return new EmbeddedBroker(identity, gateway, { host: config.host, port: config.mqttPort }, log);
};

const externalBroker = (services: Services, config: Config, url: string, gateway: Gateway, log: Logger): Broker => {
  const open = connectionsTo({ url, fleetCa: services.ca, gatewayCa: services.gatewayCa }, log);
  const { emqxUrl, emqxKey } = config;
  const control =
    emqxUrl === undefined || emqxKey === undefined
      ? new MosquittoControl(open, log)
      : new EmqxControl(emqxUrl, emqxKey);
  return new ExternalBroker(open, control, gateway, log);
};

/** Takes in what devices say, over the embedded broker or another one. @returns what ends it */
export const startGateway = async (services: Services, config: Config, log: Logger): Promise<() => Promise<void>> => {
  const handlers = new RecordHandlers(services.devices, services.executions, services.operatorProfiles);
  const queue = new TelemetryQueue(new TelemetryWriter(services.database, handlers, log));
  const gateway = new Gateway(services.devices, services.probes, services.certificates, queue, log);
  await ensurePartitions(services.database);
  const broker =
    config.mqttUrl === undefined
      ? await embeddedBroker(services, config, gateway, log)
      : externalBroker(services, config, config.mqttUrl, gateway, log);
  gateway.attach(broker);
  await broker.start();
  const courier = new OutboxCourier(services.database, broker, log);
  courier.start();
  const sessionWatch = new SessionWatch(services.database, services.certificates, broker, log);
  sessionWatch.start();
  return async () => {
    await Promise.all([courier.stop(), sessionWatch.stop()]);
    await broker.stop();
  };
};
