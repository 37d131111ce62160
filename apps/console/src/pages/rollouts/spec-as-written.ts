import { formatDuration } from '@aviary/rollout';

const DURATIONS = new Set(['soak', 'deadline', 'seconds', 'compareOver', 'duration', 'forceAfter']);
const SHARES =
  /(^|\.)(maxErrorRate|maxLowConfidenceRate|maxFailureRate|minSuccessRate|lowConfidenceRate\.max|maxAlerts|margin|minAgreement)$/;

/** As docs/rollouts.md has them; a database keeps them in an order of its own. */
const ORDER = ['release', 'target', 'strategy', 'waves', 'gates', 'onFailure', 'size', 'minimum', 'soak'];
const place = (name: string): number => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const sizeAsWritten = (size: Readonly<Record<string, unknown>>): unknown =>
  typeof size.percent === 'number' ? `${size.percent}%` : size.count;

const asWritten = (value: unknown, path: string): unknown => {
  const key = path.slice(path.lastIndexOf('.') + 1);
  if (typeof value === 'number') {
    if (DURATIONS.has(key)) return formatDuration(value);
    return SHARES.test(path) ? `${Number((value * 100).toPrecision(12))}%` : value;
  }
  if (Array.isArray(value)) return value.map((item, index) => asWritten(item, `${path}.${index}`));
  if (!isRecord(value)) return value;
  if (key === 'size' || key === 'control') return sizeAsWritten(value);
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => place(a) - place(b))
      .map(([name, item]) => [name, asWritten(item, path === '' ? name : `${path}.${name}`)]),
  );
};

/**
 * A stored specification (durations in seconds, shares from 0 to 1, sizes as objects) as a person writes it in
 * rollout.yaml, so that it can be read, and used once more.
 */
export const specAsWritten = (spec: Readonly<Record<string, unknown>>): unknown => asWritten(spec, '');
