/** Something that is wrong only beside something else. */
export interface Contradiction {
  readonly path: readonly PropertyKey[];
  readonly expected: string;
  readonly received?: string;
  readonly hint?: string;
}

/** A map of keys; undefined for anything else. */
export function asRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
