import type { TelemetryAck } from '@aviary/protocol';
import { readConfig } from '../../../apps/control-plane/dist/config.js';
import { EmbeddedBroker } from '../../../apps/control-plane/dist/features/mqtt/embedded-broker.js';
import { Gateway } from '../../../apps/control-plane/dist/features/mqtt/gateway.js';
import { TelemetryQueue } from '../../../apps/control-plane/dist/features/telemetry/telemetry-queue.js';
import { createLogger } from '../../../apps/control-plane/dist/infra/log.js';
import { openServices } from '../../../apps/control-plane/dist/roles/services.js';

// The gateway as it is, but for its writer, which stores nothing and acknowledges at once. The fleet's own authority
// names it, so that the same devices connect.
const { config } = readConfig(['run', ...process.argv.slice(2)], process.env);
if (config.databaseUrl === undefined) throw new Error('expected DATABASE_URL');
const log = createLogger('broker-without-database', 'warn');
const services = await openServices({ ...config, databaseUrl: config.databaseUrl }, log);
const identity = await services.ca.issueServer([config.host]);
await services.database.stop();

const queue = new TelemetryQueue({
  write: async (batches) =>
    new Map<string, TelemetryAck>(batches.map(({ deviceId, epoch, seq }) => [deviceId, { epoch, seq }])),
});
const devices = { recordPresence: async () => undefined };
const probes = { hasCertificate: async () => false, exists: async () => false };
const gateway = new Gateway(devices, probes, { admits: async () => true }, queue, log);
const where = { host: config.host, port: config.mqttPort };
const broker = new EmbeddedBroker(identity, gateway, where, log);
gateway.attach(broker);
await broker.start();
process.once('SIGTERM', () => process.exit(0));
