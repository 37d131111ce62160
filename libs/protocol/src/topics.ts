import { deviceIdSchema } from './identifiers.ts';
import { PROTOCOL_VERSION } from './version.ts';

const PREFIX = `aviary/v${PROTOCOL_VERSION}/d/`;

/** What a device publishes. */
export type UpChannel = 'telemetry' | 'presence';
/** What a device is told. */
export type DownChannel = 'ack' | 'doorbell';

/** Every topic of one device; a device may touch nothing else. */
export const deviceTopics = (deviceId: string) => ({
  telemetry: `${PREFIX}${deviceId}/up/telemetry`,
  presence: `${PREFIX}${deviceId}/up/presence`,
  ack: `${PREFIX}${deviceId}/down/ack`,
  doorbell: `${PREFIX}${deviceId}/down/doorbell`,
  /** The one filter a device subscribes to. */
  down: `${PREFIX}${deviceId}/down/+`,
});

/** The topic on which `channel` reaches a device. */
export const downTopic = (deviceId: string, channel: DownChannel): string => `${PREFIX}${deviceId}/down/${channel}`;

/**
 * Reads a topic on which a device publishes.
 * @returns the device it names and the channel, or undefined when it is no such topic (also with a wildcard in it).
 */
export const parseUpTopic = (topic: string): { deviceId: string; channel: UpChannel } | undefined => {
  if (!topic.startsWith(PREFIX)) return undefined;
  const [deviceId, direction, channel, ...rest] = topic.slice(PREFIX.length).split('/');
  if (direction !== 'up' || rest.length > 0 || !deviceIdSchema.safeParse(deviceId).success) return undefined;
  if (deviceId === undefined || (channel !== 'telemetry' && channel !== 'presence')) return undefined;
  return { deviceId, channel };
};

/** Whether `filter` subscribes to nothing but what `deviceId` is told. */
export const mayDeviceSubscribe = (deviceId: string, filter: string): boolean => {
  const own = `${PREFIX}${deviceId}/down/`;
  if (!filter.startsWith(own)) return false;
  const channel = filter.slice(own.length);
  return channel === '+' || channel === 'ack' || channel === 'doorbell';
};
