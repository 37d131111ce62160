import { commandLine } from '../../components/command-line.ts';
import { labelProblem } from '../devices/label-text.ts';

export type Labels = Readonly<Record<string, string>>;

/** One line of the form. */
export interface LabelRow {
  /** Tells lines apart while they are being edited. */
  readonly row: number;
  readonly key: string;
  readonly value: string;
}

/** What is wrong with each line, by its number. Lines without a key and value are not there. */
export const rowProblems = (rows: readonly LabelRow[]): ReadonlyMap<number, string> => {
  const seen = new Set<string>();
  const problems = new Map<number, string>();
  for (const { row, key, value } of rows) {
    if (key === '' && value === '') continue;
    const problem = seen.has(key) ? `Expected ${key} once, got it twice.` : labelProblem(key, value);
    if (problem !== undefined) problems.set(row, problem);
    seen.add(key);
  }
  return problems;
};

/** What has to be said to get from the labels that are there to those of the form; null removes one. */
export const labelChanges = (before: Labels, rows: readonly LabelRow[]): Record<string, string | null> => {
  const after = new Map(rows.filter(({ key }) => key !== '').map(({ key, value }) => [key, value]));
  const changes: Record<string, string | null> = {};
  for (const key of Object.keys(before)) if (!after.has(key)) changes[key] = null;
  for (const [key, value] of after) if (!Object.hasOwn(before, key) || before[key] !== value) changes[key] = value;
  return changes;
};

/** The same as a command. */
export const labelCommand = (deviceId: string, changes: Readonly<Record<string, string | null>>): string =>
  commandLine(
    'device',
    'label',
    deviceId,
    ...Object.entries(changes).map(([key, value]) => (value === null ? `${key}-` : `${key}=${value}`)),
  );
