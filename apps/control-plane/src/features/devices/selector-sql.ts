import type { FactPath } from '@aviary/hardware';
import {
  factPathOf,
  parseSelector,
  type Selector,
  type SelectorAttribute,
  SelectorError,
  type SelectorKey,
} from '@aviary/rollout';
import { badRequest } from '../../infra/problem.ts';

/** A condition on `device d`, with its parameters in order. */
export interface SqlCondition {
  readonly where: string;
  readonly parameters: readonly unknown[];
}

// As the indexes have them: another way to write the same is not found in an index.
const COLUMNS: Record<SelectorAttribute, string> = {
  id: 'd.id',
  name: 'd.name',
  profile: 'd.profile',
  release: 'd.running_release',
  model: "split_part(d.running_release, '@', 1)",
  presence: 'd.presence',
};

/** Facts as a document that has only this one. Documents contain it whose lists have it anywhere. */
const documentWith = ({ steps, type }: FactPath, text: string): unknown => {
  const value = type === 'text' ? text : type === 'number' ? Number(text) : text === 'true';
  return steps.reduceRight<unknown>((inner, { key, many }) => ({ [key]: many ? [inner] : inner }), value);
};

// Keys of facts come from their schema, never from a selector.
const jsonPathOf = ({ steps }: FactPath): string =>
  `$${steps.map(({ key, many }) => `.${key}${many ? '[*]' : ''}`).join('')}`;

const numberOf = ({ steps }: FactPath): string => `(d.facts #> '{${steps.map(({ key }) => key).join(',')}}')::numeric`;

/**
 * Compiles a selector to a condition on `device d`, to stand after `where`: of what a device does not have it may be null.
 * Values are parameters, never text. Labels and facts that equal something are asked for by containment, which their
 * indexes answer; numbers by order.
 * @param first number of the first parameter, where the statement has others before
 */
export const selectorToSql = (selector: Selector, first = 1): SqlCondition => {
  const parameters: unknown[] = [];
  const parameter = (value: unknown): string => `$${first + parameters.push(value) - 1}`;
  const contains = (column: string, documents: readonly unknown[]): string =>
    `(${documents.map((document) => `${column} @> ${parameter(JSON.stringify(document))}::jsonb`).join(' or ')})`;

  const has = (key: SelectorKey): string => {
    if ('attribute' in key) return `${COLUMNS[key.attribute]} is not null`;
    if ('label' in key) return `d.labels ? ${parameter(key.label)}`;
    return `jsonb_path_exists(d.facts, '${jsonPathOf(factPathOf(key.fact))}')`;
  };
  const isIn = (key: SelectorKey, values: readonly string[]): string => {
    if ('attribute' in key) return `${COLUMNS[key.attribute]} = any (${parameter(values)}::text[])`;
    if ('label' in key)
      return contains(
        'd.labels',
        values.map((value) => ({ [key.label]: value })),
      );
    const path = factPathOf(key.fact);
    return contains(
      'd.facts',
      values.map((value) => documentWith(path, value)),
    );
  };
  const compares = ({ fact, comparison, value }: Extract<Selector, { kind: 'compare' }>): string => {
    const path = factPathOf(fact);
    const bound = `${parameter(value)}::numeric`;
    if (path.steps.every(({ many }) => !many)) return `${numberOf(path)} ${comparison} ${bound}`;
    return `jsonb_path_exists(d.facts, '${jsonPathOf(path)} ? (@ ${comparison} $value)', jsonb_build_object('value', ${bound}))`;
  };
  // "Not" goes down to the comparisons, so that what a device does not have counts as false there, and an index can
  // still answer whatever stands beside.
  const compile = (node: Selector, holds: boolean): string => {
    switch (node.kind) {
      case 'all':
        return String(holds);
      case 'and':
      case 'or': {
        const all = (node.kind === 'and') === holds;
        return `(${node.operands.map((operand) => compile(operand, holds)).join(all ? ' and ' : ' or ')})`;
      }
      case 'not':
        return compile(node.operand, !holds);
      default: {
        const condition =
          node.kind === 'has' ? has(node.key) : node.kind === 'in' ? isIn(node.key, node.values) : compares(node);
        return holds ? `(${condition})` : `((${condition}) is not true)`;
      }
    }
  };
  return { where: compile(selector, true), parameters };
};

/**
 * Compiles whom a rollout or a round is about, as `selectorToSql` does: revoked devices are not among them, whatever the
 * selector says.
 */
export const targetToSql = (selector: Selector, first = 1): SqlCondition => {
  const { where, parameters } = selectorToSql(selector, first);
  return { where: `(${where} and d.revoked_at is null)`, parameters };
};

/** @throws ProblemError `selector-invalid` that shows the place */
const parsed = (text: string): Selector => {
  try {
    return parseSelector(text);
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.code, `The selector cannot be read: ${error.message}`);
    throw error;
  }
};

/** Reads a selector that came from outside, and compiles it as `selectorToSql` does. @throws as `parsed` */
export const readSelector = (text: string): SqlCondition => selectorToSql(parsed(text));

/** Reads a selector that says whom something is about, and compiles it as `targetToSql` does. @throws as `parsed` */
export const readTarget = (text: string, first = 1): SqlCondition => targetToSql(parsed(text), first);
