import { PROBLEM_CONTENT_TYPE, type Problem } from '@aviary/protocol';
import { FeedbackError, type FeedbackErrorCode } from '../learning/feedback-error.ts';
import { ConsentError } from '../update/holding.ts';

/** What the local API answers instead of what was asked for; it becomes a problem of RFC 9457. */
export class LocalProblem extends Error {
  readonly code: string;
  readonly status: number;
  /** @param message what was expected, what came, what to do */
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Not in this state',
  413: 'Too large',
  422: 'Not usable',
  503: 'Not now',
  507: 'No room',
};

const FEEDBACK_STATUS: Readonly<Record<FeedbackErrorCode, number>> = {
  'learning-off': 409,
  'nothing-serves': 503,
  'release-not-trainable': 409,
  'label-unknown': 422,
  'frame-unknown': 404,
  'sample-not-kept': 507,
};

const localProblem = (error: unknown): LocalProblem | undefined => {
  if (error instanceof LocalProblem) return error;
  if (error instanceof FeedbackError) return new LocalProblem(FEEDBACK_STATUS[error.code], error.code, error.message);
  if (error instanceof ConsentError) return new LocalProblem(409, error.code, error.message);
  return undefined;
};

/** Any error as an answer: what nobody foresaw says only that. */
export const problemAnswer = (
  error: unknown,
): { status: number; headers: { readonly 'content-type': string }; body: string; isForeseen: boolean } => {
  const known = localProblem(error);
  const { status, code, message } =
    known ?? new LocalProblem(500, 'internal', 'Expected to answer, but the agent failed; its log says how.');
  const problem: Problem = {
    type: 'about:blank',
    title: TITLES[status] ?? 'Failed',
    status,
    code,
    detail: message,
  };
  return {
    status,
    headers: { 'content-type': PROBLEM_CONTENT_TYPE },
    body: JSON.stringify(problem),
    isForeseen: known !== undefined,
  };
};
