import type { Problem } from './generated/index.ts';

/** An answer that was not the wanted one, or none at all; `code` is stable. */
export class ProblemError extends Error {
  readonly code: string;
  readonly status: number;
  /** Every place of the input that is wrong, when it was. */
  readonly problems: readonly { readonly path: string; readonly message: string }[];
  /** When to try again, in seconds, where the control plane said so. */
  readonly retryAfterS: number | undefined;

  constructor(problem: Problem, retryAfterS?: number) {
    super(problem.detail);
    this.name = 'ProblemError';
    this.code = problem.code;
    this.status = problem.status;
    this.problems = problem.problems ?? [];
    this.retryAfterS = retryAfterS;
  }

  /** What is wrong at a place of the input. */
  at(path: string): string | undefined {
    return this.problems.find((problem) => problem.path === path || problem.path.endsWith(`.${path}`))?.message;
  }
}

const isProblem = (body: unknown): body is Problem =>
  typeof body === 'object' && body !== null && 'code' in body && 'detail' in body && 'status' in body;

/** Makes whatever a request ended with into one kind of error. */
export const toProblemError = (error: unknown, response: Response | undefined): ProblemError => {
  if (error instanceof ProblemError) return error;
  const retryAfter = Number(response?.headers.get('retry-after') ?? Number.NaN);
  if (isProblem(error)) return new ProblemError(error, Number.isFinite(retryAfter) ? retryAfter : undefined);
  if (response === undefined) {
    const detail = 'The control plane does not answer. Is it running, and can this machine reach it?';
    return new ProblemError({ type: 'about:blank', title: 'No answer', status: 0, code: 'unreachable', detail });
  }
  const detail = `Expected an answer of the Aviary API, got HTTP ${response.status}. Reload the page; if that does not help, look into the log of the control plane.`;
  const { status } = response;
  return new ProblemError({
    type: 'about:blank',
    title: 'Unexpected answer',
    status,
    code: 'unexpected-answer',
    detail,
  });
};
