import { z } from 'zod';
import { type DeviceFacts, deviceFactsSchema } from './facts.ts';

export type FactType = 'text' | 'number' | 'boolean';

/** One fact that a device may have, by its place in `DeviceFacts`. */
export interface FactPath {
  /** As people write it, e.g. `memoryMB`, `cpu.cores`, `accelerators.kind`. */
  readonly name: string;
  readonly type: FactType;
  /** The only texts that it can be, where the schema lists them. */
  readonly choices: readonly string[] | null;
  /** Keys on the way to it. At one with `many` there is a list, and the fact has as many values. */
  readonly steps: readonly FactStep[];
}

export interface FactStep {
  readonly key: string;
  readonly many: boolean;
}

const pathsBelow = (schema: unknown, steps: readonly FactStep[]): FactPath[] => {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return pathsBelow(schema.unwrap(), steps);
  if (schema instanceof z.ZodArray) {
    const last = steps.at(-1);
    if (last === undefined) throw new TypeError('expected facts to be an object');
    return pathsBelow(schema.element, [...steps.slice(0, -1), { ...last, many: true }]);
  }
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape).flatMap(([key, inner]) => pathsBelow(inner, [...steps, { key, many: false }]));
  }
  const name = steps.map(({ key }) => key).join('.');
  if (schema instanceof z.ZodEnum) return [{ name, type: 'text', choices: schema.options.map(String), steps }];
  if (schema instanceof z.ZodString) return [{ name, type: 'text', choices: null, steps }];
  if (schema instanceof z.ZodNumber) return [{ name, type: 'number', choices: null, steps }];
  if (schema instanceof z.ZodBoolean) return [{ name, type: 'boolean', choices: null, steps }];
  throw new TypeError(`the fact ${name} is of a kind that nobody can ask for`);
};

/** All facts that there are, as `deviceFactsSchema` has them. */
export const FACT_PATHS: readonly FactPath[] = pathsBelow(deviceFactsSchema, []);

/** What a device has at a path, as texts: none, one, or where there are lists any number. */
export const factValues = (facts: Partial<DeviceFacts>, path: FactPath): string[] => {
  const found = path.steps.reduce<unknown[]>(
    (values, { key }) =>
      values.flatMap((value) => {
        const inner = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
        return Array.isArray(inner) ? inner : [inner];
      }),
    [facts],
  );
  return found.filter((value) => value !== undefined).map(String);
};
