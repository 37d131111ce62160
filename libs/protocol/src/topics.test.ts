import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deviceTopics, downTopic, mayDeviceSubscribe, parseUpTopic } from './topics.ts';

const ID = 'd-1a2b3c';
const NO_IDS = [
  '',
  'ab',
  '+',
  '#',
  'd-1/up',
  'd-1/../d-2',
  '../x',
  'd+1',
  'd-1#',
  '$SYS',
  'D-1A2B3C',
  'd 1',
  '-d1',
  'd\u0000a',
];
const anyId = fc.stringMatching(/^[a-z0-9][a-z0-9-]{2,62}$/);

describe('deviceTopics', () => {
  it('are below the version and the device', () => {
    expect(deviceTopics(ID)).toEqual({
      telemetry: 'aviary/v1/d/d-1a2b3c/up/telemetry',
      presence: 'aviary/v1/d/d-1a2b3c/up/presence',
      ack: 'aviary/v1/d/d-1a2b3c/down/ack',
      doorbell: 'aviary/v1/d/d-1a2b3c/down/doorbell',
      down: 'aviary/v1/d/d-1a2b3c/down/+',
    });
    expect(downTopic(ID, 'ack')).toBe(deviceTopics(ID).ack);
    expect(downTopic(ID, 'doorbell')).toBe(deviceTopics(ID).doorbell);
  });

  it.each(NO_IDS)('are not made of %j', (id) => {
    expect(() => deviceTopics(id)).toThrow(RangeError);
    expect(() => deviceTopics(id)).toThrow(`got "${id}"`);
    expect(() => downTopic(id, 'ack')).toThrow(/Expected a device id \(3 to 63 of a-z, 0-9 and -\)/);
  });
});

describe('parseUpTopic', () => {
  it('reads back what a device publishes on', () => {
    fc.assert(
      fc.property(anyId, (deviceId) => {
        const topics = deviceTopics(deviceId);
        expect(parseUpTopic(topics.telemetry)).toEqual({ deviceId, channel: 'telemetry' });
        expect(parseUpTopic(topics.presence)).toEqual({ deviceId, channel: 'presence' });
        for (const topic of [topics.ack, topics.doorbell, topics.down]) expect(parseUpTopic(topic)).toBeUndefined();
      }),
    );
  });

  it.each(NO_IDS)('reads no device %j', (id) => {
    expect(parseUpTopic(`aviary/v1/d/${id}/up/telemetry`)).toBeUndefined();
  });

  it.each([
    '',
    'aviary/v1/d/',
    `aviary/v1/d/${ID}`,
    `aviary/v1/d/${ID}/up`,
    `aviary/v1/d/${ID}/up/`,
    `aviary/v1/d/${ID}/up/+`,
    `aviary/v1/d/${ID}/up/#`,
    `aviary/v1/d/${ID}/up/ack`,
    `aviary/v1/d/${ID}/up/telemetry/`,
    `aviary/v1/d/${ID}/up/telemetry/more`,
    `aviary/v1/d/${ID}//up/telemetry`,
    `aviary/v2/d/${ID}/up/telemetry`,
    `/aviary/v1/d/${ID}/up/telemetry`,
    `AVIARY/v1/d/${ID}/up/telemetry`,
    '$SYS/broker',
  ])('does not read %j', (topic) => {
    expect(parseUpTopic(topic)).toBeUndefined();
  });
});

describe('mayDeviceSubscribe', () => {
  it('allows what a device is told, and that alone', () => {
    const topics = deviceTopics(ID);
    for (const filter of [topics.down, topics.ack, topics.doorbell]) expect(mayDeviceSubscribe(ID, filter)).toBe(true);
    for (const filter of [topics.telemetry, topics.presence]) expect(mayDeviceSubscribe(ID, filter)).toBe(false);
  });

  it.each([
    '#',
    '+',
    'aviary/v1/d/+/down/ack',
    'aviary/v1/d/+/down/+',
    'aviary/v1/d/#',
    `aviary/v1/d/${ID}/#`,
    `aviary/v1/d/${ID}/down/#`,
    `aviary/v1/d/${ID}/+/ack`,
    `aviary/v1/d/${ID}/down`,
    `aviary/v1/d/${ID}/down/`,
    `aviary/v1/d/${ID}/down/other`,
    `aviary/v1/d/${ID}0/down/ack`,
    `$share/all/aviary/v1/d/${ID}/down/ack`,
    '',
  ])('refuses %j', (filter) => {
    expect(mayDeviceSubscribe(ID, filter)).toBe(false);
  });

  it.each(NO_IDS)('allows nothing to %j', (id) => {
    expect(mayDeviceSubscribe(id, `aviary/v1/d/${id}/down/ack`)).toBe(false);
  });

  it('never lets one device hear another', () => {
    fc.assert(
      fc.property(anyId, anyId, (one, other) => {
        fc.pre(one !== other);
        for (const filter of Object.values(deviceTopics(other))) expect(mayDeviceSubscribe(one, filter)).toBe(false);
      }),
    );
  });
});
