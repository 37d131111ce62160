import { parseSelector, type Selector, type SelectorAttribute, SelectorError, type SelectorKey } from '@aviary/rollout';
import { badRequest } from '../../infra/problem.ts';

/** A condition on `device d`, with its parameters in order. */
export interface SqlCondition {
  readonly where: string;
  readonly parameters: readonly unknown[];
}

const COLUMNS: Record<SelectorAttribute, string> = {
  id: 'd.id',
  name: 'd.name',
  profile: 'd.profile',
  release: 'd.running_release',
  model: "split_part(d.running_release, '@', 1)",
  presence: 'd.presence',
};

/**
 * Compiles a selector to a condition on `device d`. Values are parameters, never text; labels are asked for by
 * containment, which the index on them answers.
 * @param first number of the first parameter, where the statement has others before
 */
export const selectorToSql = (selector: Selector, first = 1): SqlCondition => {
  const parameters: unknown[] = [];
  const parameter = (value: unknown): string => `$${first + parameters.push(value) - 1}`;
  const exists = (key: SelectorKey): string =>
    'attribute' in key ? `${COLUMNS[key.attribute]} is not null` : `d.labels ? ${parameter(key.label)}`;
  const compile = (node: Selector): string => {
    switch (node.kind) {
      case 'all':
        return 'true';
      case 'and':
      case 'or':
        return `(${node.operands.map(compile).join(` ${node.kind} `)})`;
      case 'not':
        return `not ${compile(node.operand)}`;
      case 'has':
        return `(${exists(node.key)})`;
      case 'in': {
        const { key, values } = node;
        if ('attribute' in key) return `coalesce(${COLUMNS[key.attribute]} = any (${parameter(values)}), false)`;
        const one = (value: string) => `d.labels @> ${parameter(JSON.stringify({ [key.label]: value }))}::jsonb`;
        return `(${values.map(one).join(' or ')})`;
      }
    }
  };
  return { where: compile(selector), parameters };
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
