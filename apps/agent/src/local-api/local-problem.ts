import { PROBLEM_CONTENT_TYPE, type Problem } from '@aviary/protocol';
import { InferenceError, type InferenceErrorCode } from '../inference/errors.ts';
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
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Not in this state',
  411: 'No length',
  413: 'Too large',
  415: 'Not of a known type',
  422: 'Not usable',
  429: 'Too many',
  500: 'Failed',
  503: 'Not now',
  504: 'Too late',
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

/** What else can happen to a picture is the worker's end: another one takes its place. */
const INFERENCE_STATUS: Readonly<Partial<Record<InferenceErrorCode, number>>> = {
  'requests-too-many': 429,
  'frame-undecodable': 422,
  'frame-failed': 500,
};

const WORTH_ANOTHER_TRY: ReadonlySet<number> = new Set([429, 503]);

const localProblem = (error: unknown): LocalProblem | undefined => {
  if (error instanceof LocalProblem) return error;
  if (error instanceof FeedbackError) return new LocalProblem(FEEDBACK_STATUS[error.code], error.code, error.message);
  if (error instanceof InferenceError) {
    return new LocalProblem(INFERENCE_STATUS[error.code] ?? 503, error.code, error.message);
  }
  if (error instanceof ConsentError) return new LocalProblem(409, error.code, error.message);
  return undefined;
};

/** Any error as an answer: what nobody foresaw says only that. */
export const problemAnswer = (
  error: unknown,
): { status: number; code: string; headers: Readonly<Record<string, string>>; body: string; isForeseen: boolean } => {
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
    code,
    headers: {
      'content-type': PROBLEM_CONTENT_TYPE,
      ...(WORTH_ANOTHER_TRY.has(status) ? { 'retry-after': '1' } : {}),
    },
    body: JSON.stringify(problem),
    isForeseen: known !== undefined,
  };
};
