import type { Route } from '@aviary/protocol';
import { z } from 'zod';

const LONGEST_TEXT = 256;
const MOST_ITEMS = 32;
const DEEPEST = 6;
const LONGEST_DETAIL = 8192;

/** The schema itself, without "may be missing" or a default around it. */
const bare = (schema: z.ZodType): z.ZodType => {
  const isWrapped =
    schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault;
  return isWrapped ? bare(schema.unwrap() as z.ZodType) : schema;
};

const isSecret = (schema: z.ZodType): boolean => bare(schema).meta()?.format === 'password';

/** A value without what its schema calls secret: that it was given is kept, what it was is not. */
const withoutSecrets = (value: unknown, given: z.ZodType): unknown => {
  const schema = bare(given);
  if (isSecret(schema)) return '(secret)';
  if (!(schema instanceof z.ZodObject) || typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => {
      const inner: z.ZodType | undefined = schema.shape[key];
      return [key, inner === undefined ? part : withoutSecrets(part, inner)];
    }),
  );
};

/** PostgreSQL keeps neither a zero byte nor half a character in JSON. */
const storable = (text: string): string => text.toWellFormed().replaceAll('\0', '\uFFFD');

const shortText = (text: string): string =>
  text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT)}… (${text.length} characters)`;

const shortened = (value: unknown, depth = 0): unknown => {
  if (typeof value === 'string') return storable(shortText(value));
  if (typeof value !== 'object' || value === null) return value;
  if (depth === DEEPEST) return '…';
  const rest = (all: number) => `… (${all - MOST_ITEMS} more)`;
  if (Array.isArray(value)) {
    const items = value.slice(0, MOST_ITEMS).map((item) => shortened(item, depth + 1));
    return value.length > MOST_ITEMS ? [...items, rest(value.length)] : items;
  }
  const entries = Object.entries(value);
  const kept = entries
    .slice(0, MOST_ITEMS)
    .map(([key, item]): [string, unknown] => [storable(shortText(key)), shortened(item, depth + 1)]);
  if (entries.length > MOST_ITEMS) kept.push(['…', rest(entries.length)]);
  return Object.fromEntries(kept);
};

/** The parts of a request, as they came. */
export interface AskedFor {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

const objectOf = (schema: z.ZodType | undefined, value: unknown): Record<string, unknown> => {
  const checked = schema?.safeParse(value);
  if (schema === undefined || checked?.success !== true) return {};
  return withoutSecrets(checked.data, schema) as Record<string, unknown>;
};

/**
 * What a change is done to, and what was asked for: the first parameter of the path is the target, the rest and the
 * body are the detail. Fields whose schema has the format `password` are left out; what is long is shortened.
 */
export const describeChange = (route: Route, asked: AskedFor): { target: string; detail: Record<string, unknown> } => {
  const [target, ...others] = Object.entries(objectOf(route.params, asked.params));
  const detail = shortened({
    ...objectOf(route.body, asked.body),
    ...objectOf(route.query, asked.query),
    ...Object.fromEntries(others),
  }) as Record<string, unknown>;
  const text = JSON.stringify(detail);
  return {
    target: target === undefined ? '' : String(target[1]),
    detail:
      text.length <= LONGEST_DETAIL
        ? detail
        : { beginning: storable(text.slice(0, LONGEST_DETAIL / 2)), length: text.length },
  };
};
