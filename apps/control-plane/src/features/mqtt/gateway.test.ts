import type { TelemetryAck } from '@aviary/protocol';
import { describe, expect, it } from 'vitest';
import { createLogger } from '../../infra/log.ts';
import { TelemetryStalledError } from '../telemetry/telemetry-queue.ts';
import { Gateway } from './gateway.ts';

const nobody = (): never => {
  throw new Error('nobody is asked for this');
};

const batch = Buffer.from(
  JSON.stringify({ epoch: 1, seq: 1, records: [{ type: 'running', at: 1, release: null, digest: null }] }),
);

/** A gateway whose telemetry ends so, and what it has answered. */
const gatewayThat = (add: () => Promise<TelemetryAck>): { gateway: Gateway; sent: unknown[] } => {
  const sent: unknown[] = [];
  const gateway = new Gateway(
    { recordPresence: nobody },
    { hasCertificate: nobody, exists: nobody },
    { admits: nobody },
    { add },
    createLogger('gateway', 'silent'),
  );
  gateway.attach({ send: async (deviceId, channel, payload) => void sent.push([deviceId, channel, payload]) });
  return { gateway, sent };
};

describe('a batch of telemetry', () => {
  it('is acknowledged once it is stored', async () => {
    const { gateway, sent } = gatewayThat(async () => ({ epoch: 1, seq: 1 }));
    await gateway.receive('d-one', 'telemetry', batch);
    expect(sent).toEqual([['d-one', 'ack', { epoch: 1, seq: 1 }]]);
  });

  it('is left unanswered while the database stalls, and the connection of its device stays', async () => {
    const { gateway, sent } = gatewayThat(() => Promise.reject(new TelemetryStalledError('not in time')));
    await gateway.receive('d-one', 'telemetry', batch);
    expect(sent).toEqual([]);
  });

  it('ends the connection of its device where storing it fails', async () => {
    const { gateway } = gatewayThat(() => Promise.reject(new Error('the database went away')));
    await expect(gateway.receive('d-one', 'telemetry', batch)).rejects.toThrow('the database went away');
  });
});
