import { type RoundSpec, roundSpecSchema } from '@aviary/federation';
import { parseDuration } from '@aviary/rollout';
import { UsageError } from './command-line/usage-error.ts';

const DURATIONS = ['selectFor', 'collectFor', 'evaluateFor'] as const;

/**
 * Checks what somebody asks of a round. Durations may be seconds, or texts such as 10m.
 * @throws UsageError with every place that is wrong
 */
export const roundSpecOf = (asked: Readonly<Record<string, unknown>>): RoundSpec => {
  const spec: Record<string, unknown> = { ...asked };
  for (const key of DURATIONS) {
    const text = spec[key];
    if (typeof text === 'string') spec[key] = parseDuration(text) ?? text;
  }
  const parsed = roundSpecSchema.safeParse(spec);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.map(({ path, message }) => `\n  ${path.join('.') || 'the whole'}: ${message}`);
  throw new UsageError(`The round cannot be started:${places.join('')}`);
};
