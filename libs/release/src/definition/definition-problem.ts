/** One thing that is wrong in `model.yaml`. */
export interface DefinitionProblem {
  /** Dotted, e.g. `variants[0].file`; empty for the whole file. */
  readonly path: string;
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
  /** e.g. `a whole number`. */
  readonly expected: string;
  /** What is there instead, as JSON; `nothing` where a key is missing. */
  readonly received: string;
  /** What to do about it, where that is known: `did you mean "version"?` */
  readonly hint?: string;
}

/** `model.yaml` cannot be used; lists everything that is wrong with it. */
export class ModelDefinitionError extends Error {
  readonly code = 'model-definition-invalid';
  readonly problems: readonly DefinitionProblem[];
  constructor(problems: readonly DefinitionProblem[]) {
    const sorted = [...problems].sort((a, b) => a.line - b.line || a.column - b.column);
    const count = sorted.length === 1 ? 'one problem' : `${sorted.length} problems`;
    super(`model.yaml has ${count}:\n${sorted.map((problem) => `  ${describe(problem)}`).join('\n')}`);
    this.name = 'ModelDefinitionError';
    this.problems = sorted;
  }
}

function describe({ path, line, column, expected, received, hint }: DefinitionProblem): string {
  const where = `line ${line}, column ${column}${path ? `, ${path}` : ''}`;
  return `${where}: expected ${expected}, got ${received}${hint ? ` (${hint})` : ''}`;
}
