import { deviceIdSchema } from './identifiers.ts';
import { PROTOCOL_VERSION } from './version.ts';

const PREFIX = `aviary/v${PROTOCOL_VERSION}/d/`;

/** What a device publishes. */
export type UpChannel = 'telemetry' | 'presence';
/** What a device is told. */
export type DownChannel = 'ack' | 'doorbell';

const isDeviceId = (text: string | undefined): text is string => deviceIdSchema.safeParse(text).success;

/** An id with a slash or a wildcard in it would name the topics of others. */
const placeOf = (deviceId: string): string => {
  if (!isDeviceId(deviceId)) {
    throw new RangeError(`Expected a device id (3 to 63 of a-z, 0-9 and -) for its topics, got "${deviceId}".`);
  }
  return PREFIX + deviceId;
};

/**
 * Every topic of one device; a device may touch nothing else.
 * @throws RangeError when it is no device id
 */
export const deviceTopics = (deviceId: string) => {
  const place = placeOf(deviceId);
  return {
    telemetry: `${place}/up/telemetry`,
    presence: `${place}/up/presence`,
    ack: `${place}/down/ack`,
    doorbell: `${place}/down/doorbell`,
    /** The one filter a device subscribes to. */
    down: `${place}/down/+`,
  };
};

/**
 * The topic on which `channel` reaches a device.
 * @throws RangeError when it is no device id
 */
export const downTopic = (deviceId: string, channel: DownChannel): string => `${placeOf(deviceId)}/down/${channel}`;

/**
 * Reads a topic on which a device publishes.
 * @returns the device it names and the channel, or undefined when it is no such topic (also with a wildcard in it).
 */
export const parseUpTopic = (topic: string): { deviceId: string; channel: UpChannel } | undefined => {
  if (!topic.startsWith(PREFIX)) return undefined;
  const [deviceId, direction, channel, ...rest] = topic.slice(PREFIX.length).split('/');
  if (direction !== 'up' || rest.length > 0 || !isDeviceId(deviceId)) return undefined;
  if (channel !== 'telemetry' && channel !== 'presence') return undefined;
  return { deviceId, channel };
};

/**
 * What the gateways hear from a broker that is not their own. Each batch reaches one of them (MQTT 5, 4.8.2). Presence
 * is retained, which shared subscriptions do not deliver, so each of them hears that.
 */
export const gatewayFilters = {
  telemetry: `$share/aviary/${PREFIX}+/up/telemetry`,
  presence: `${PREFIX}+/up/presence`,
} as const;

/** Whether `filter` subscribes to nothing but what `deviceId` is told. */
export const mayDeviceSubscribe = (deviceId: string, filter: string): boolean => {
  const own = `${PREFIX}${deviceId}/down/`;
  if (!isDeviceId(deviceId) || !filter.startsWith(own)) return false;
  const channel = filter.slice(own.length);
  return channel === '+' || channel === 'ack' || channel === 'doorbell';
};
