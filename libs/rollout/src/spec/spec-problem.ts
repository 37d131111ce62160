import type { z } from 'zod';

/** One wrong place of a specification. */
export interface SpecProblem {
  /** Where, e.g. `strategy.waves.1.size`. */
  readonly path: string;
  /** What was expected there, and what came. */
  readonly message: string;
}

/** A value as a person wrote it, short enough for a sentence. */
export const shown = (value: unknown): string => {
  if (value === undefined || value === null) return 'nothing';
  if (typeof value === 'string') return `"${value.length > 60 ? `${value.slice(0, 60)}…` : value}"`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return Object.keys(value).join(', ') || '{}';
  return String(value);
};

const NOUNS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'settings by name',
};

const UNITS: Readonly<Record<string, string>> = { array: ' in the list', string: ' characters' };

const expectation = (issue: z.core.$ZodIssue): string => {
  // A schema's own words know more than its kind of failure.
  if (issue.message.startsWith('expected')) return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${NOUNS[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `expected one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
    case 'too_big': {
      const [limit, inclusive, strict] =
        issue.code === 'too_small' ? [issue.minimum, 'at least', 'more than'] : [issue.maximum, 'at most', 'less than'];
      return `expected ${issue.inclusive === false ? strict : inclusive} ${limit}${UNITS[issue.origin] ?? ''}`;
    }
    default:
      return issue.message;
  }
};

/**
 * What an issue of a schema says to the person who wrote the value: where, expected, got.
 * @param before where the value stands in the whole
 */
export const problemsOf = (issue: z.core.$ZodIssue, before: readonly PropertyKey[] = []): SpecProblem[] => {
  const place = [...before, ...issue.path];
  const path = place.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...place, key].map(String).join('.'),
      message: 'unknown: there is no such setting here',
    }));
  }
  if (issue.code === 'invalid_union') {
    // Of several forms the one is meant that knows the names which were given; its own problems say more.
    const meant = issue.errors.filter((errors) =>
      errors.every((error) => error.code !== 'unrecognized_keys' || error.path.length > 0),
    );
    const [only] = meant;
    if (only !== undefined && meant.length === 1) return only.flatMap((error) => problemsOf(error, place));
  }
  if (issue.code === 'custom') return [{ path, message: issue.message }];
  return [{ path, message: `${expectation(issue)}, got ${shown(issue.input)}` }];
};
