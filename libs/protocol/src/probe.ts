const PREFIX = 'probe-';

/**
 * The id of a probe: an identity that lives for minutes, with which a deployment is tested. It has the form of a device
 * id and is none: devices are never given this beginning.
 * @param random some of a-z, 0-9 and -
 */
export const newProbeId = (random: string): string => PREFIX + random;

/** Whether a certificate of this name, or a topic of it, belongs to a probe. */
export const isProbeId = (id: string): boolean => id.startsWith(PREFIX);

/**
 * A gateway stores nothing of a probe. It answers each message on the probe's `down/ack`, with the message's own number
 * as `seq` and this as `epoch`, so that the probe sees which of its messages have arrived, and whether one has that it
 * did not send.
 */
export const PROBE_EPOCHS = { telemetry: 1, presence: 2 } as const;
