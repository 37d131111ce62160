import type { ExecutionView } from '../../api/generated/index.ts';

/** Devices that failed for the same reason. */
export interface FailureGroup {
  readonly state: ExecutionView['state'];
  /** The reason as the first of them said it. */
  readonly reason: string;
  /** The others say the same with other numbers. */
  readonly varies: boolean;
  readonly executions: readonly ExecutionView[];
}

const reasonOf = (execution: ExecutionView): string =>
  execution.diverged ? 'succeeded, and then ran something else' : (execution.reason ?? 'the device gave no reason');

/** Reasons carry what each device measured; without the numbers they are the same reason. */
const kindOf = (reason: string): string => reason.replaceAll(/\d+(?:\.\d+)?/g, '#');

/** Groups executions that failed by why, the largest group first. */
export const groupFailures = (executions: readonly ExecutionView[]): FailureGroup[] => {
  const groups = new Map<string, ExecutionView[]>();
  for (const execution of executions) {
    const key = `${execution.state} ${kindOf(reasonOf(execution))}`;
    groups.set(key, [...(groups.get(key) ?? []), execution]);
  }
  return [...groups.values()]
    .flatMap((members) => {
      const [first] = members;
      if (first === undefined) return [];
      const reason = reasonOf(first);
      const varies = members.some((member) => reasonOf(member) !== reason);
      return [{ state: first.state, reason, varies, executions: members }];
    })
    .sort((a, b) => b.executions.length - a.executions.length);
};
