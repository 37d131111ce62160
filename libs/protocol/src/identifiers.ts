import { z } from 'zod';

/** A device's identity: the common name of its certificate, safe in an MQTT topic and in a URL. */
export const deviceIdSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{2,62}$/, 'expected 3 to 63 of a-z, 0-9 and -');

/** Lower-case hex SHA-256. */
export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hex digits (SHA-256)');

/** A metadata file of the image repository (TUF), e.g. `timestamp.json`, `3.root.json`. */
export const metadataFileSchema = z
  .string()
  .regex(/^(timestamp|[1-9]\d{0,9}\.(root|targets|snapshot))\.json$/, 'expected timestamp.json or N.ROLE.json');

/** `model@version`, e.g. `meter-reader@1.4.0`. */
export const releaseNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]*@\d+\.\d+\.\d+[0-9A-Za-z.+-]*$/, 'expected model@version, e.g. meter-reader@1.4.0');

/** A hardware class, e.g. `rpi5`. */
export const profileIdSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'expected the id of a profile, e.g. rpi5');

const printable = z.string().regex(/^\P{Cc}*$/u, 'expected no control characters');

/** What people call a device. */
export const deviceNameSchema = printable.min(1).max(128);

export const labelKeySchema = z
  .string()
  .regex(/^[a-z][a-z0-9_.-]{0,62}$/, 'expected a label key of a-z, 0-9, _, . and -');

export const labelValueSchema = printable.max(128);

/** A person's labels on a device, e.g. `site=lyon`. */
export const labelsSchema = z.record(labelKeySchema, labelValueSchema);
export type Labels = z.infer<typeof labelsSchema>;

/** The last millisecond of the year 9999: what every part that a time passes through can write. */
const LATEST_TIMESTAMP = 253_402_300_799_999;

/** Milliseconds since 1970 on the clock of whoever says it. */
export const timestampSchema = z.int().nonnegative().max(LATEST_TIMESTAMP);
