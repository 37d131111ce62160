/** A refusal with a stable code; made into an RFC 9457 problem at the HTTP edge. */
export class ProblemError extends Error {
  readonly code: string;
  readonly status: number;
  readonly problems: readonly { path: string; message: string }[] | undefined;

  constructor(
    status: number,
    code: string,
    /** What was expected, what came, what to do. */
    detail: string,
    problems?: readonly { path: string; message: string }[],
  ) {
    super(detail);
    this.status = status;
    this.code = code;
    this.problems = problems;
  }
}

/** A refusal that will be none after a while; the HTTP edge says so with `Retry-After`. */
export class TryLaterError extends ProblemError {
  readonly seconds: number;

  constructor(code: string, detail: string, seconds: number) {
    super(429, code, detail);
    this.seconds = seconds;
  }
}

export const badRequest = (code: string, detail: string, problems?: readonly { path: string; message: string }[]) =>
  new ProblemError(400, code, detail, problems);
export const notFound = (what: string, id: string, hint: string) =>
  new ProblemError(404, `${what}-unknown`, `There is no ${what} "${id}". ${hint}`);
export const conflict = (code: string, detail: string) => new ProblemError(409, code, detail);
