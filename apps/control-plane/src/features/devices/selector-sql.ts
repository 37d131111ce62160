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
 * Reads a selector that came from outside, and compiles it as `selectorToSql` does.
 * @throws ProblemError `selector-invalid` that shows the place
 */
export const readSelector = (text: string, first = 1): SqlCondition => {
  try {
    return selectorToSql(parseSelector(text), first);
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.code, `The selector cannot be read: ${error.message}`);
    throw error;
  }
};
