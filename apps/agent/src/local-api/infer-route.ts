import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Frame, Picture } from '../inference/frame.ts';
import { LocalProblem } from './local-problem.ts';
import { declaredLength, readDeclared } from './request-body.ts';
import type { LocalResult } from './result-stream.ts';

/** The answer to one picture. @throws InferenceError; the signal's reason */
export type Infer = (frame: Frame, signal: AbortSignal) => Promise<LocalResult>;

/** A raw picture of 3840 × 2160 has 24.9 MB. */
const LARGEST_PICTURE_BYTES = 32 * 1024 * 1024;
/** Of all pictures that come or wait at a time; the agent runs on boards with 1 GB. */
const MOST_BYTES = 64 * 1024 * 1024;
const DEADLINE_S = 10;
const LONGEST_DEADLINE_S = 60;
const RAW_TYPE = 'application/octet-stream';

const side = z.coerce.number().int().positive().max(65_535);
const querySchema = z.strictObject({
  /** What the answer calls it. */
  source: z.string().min(1).max(128).default('request'),
  /** How long the caller waits. */
  seconds: z.coerce.number().positive().max(LONGEST_DEADLINE_S).default(DEADLINE_S),
  width: side.optional(),
  height: side.optional(),
  channels: z.enum(['1', '3']).default('3'),
});
type Query = z.infer<typeof querySchema>;

/** `POST /v1/infer`: a picture in the body, what the model says about it as the answer. */
export class InferRoute {
  readonly #infer: Infer;
  /** Of the bodies that are held now. */
  #bytes = 0;

  constructor(infer: Infer) {
    this.#infer = infer;
  }

  /** @throws LocalProblem; InferenceError */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<LocalResult> {
    const query = queryOf(request);
    const describe = pictureOf(request.headers['content-type'], query);
    const length = declaredLength(request, LARGEST_PICTURE_BYTES);
    const make = describe(length);
    if (this.#bytes + length > MOST_BYTES) {
      const words = `The pictures that wait have ${this.#bytes} bytes already, and ${MOST_BYTES} may. Try again in a while.`;
      throw new LocalProblem(429, 'requests-too-many', words);
    }
    this.#bytes += length;
    const patience = new AbortController();
    const late = new LocalProblem(
      504,
      'deadline-past',
      `The model had no time for it within ${query.seconds} seconds.`,
    );
    const timer = setTimeout(() => patience.abort(late), query.seconds * 1000);
    const gone = new LocalProblem(499, 'caller-gone', 'Whoever asked has closed the connection.');
    response.once('close', () => patience.abort(gone));
    try {
      const bytes = await readDeclared(request, length, patience.signal);
      return await this.#infer({ source: query.source, picture: make(bytes) }, patience.signal);
    } finally {
      clearTimeout(timer);
      this.#bytes -= length;
    }
  }
}

const queryOf = (request: IncomingMessage): Query => {
  const { searchParams } = new URL(request.url ?? '', 'http://agent');
  const parsed = querySchema.safeParse(Object.fromEntries(searchParams));
  if (parsed.success) return parsed.data;
  const example = '?source=NAME&seconds=N, and for raw pixels &width=N&height=N&channels=3';
  throw new LocalProblem(400, 'query-invalid', `Expected at most ${example}: ${z.prettifyError(parsed.error)}`);
};

/** @returns what checks the body's length, and what then makes the picture @throws LocalProblem */
const pictureOf = (
  type: string | undefined,
  { width, height, channels }: Query,
): ((length: number) => (bytes: Uint8Array) => Picture) => {
  const [kind = ''] = (type ?? '').toLowerCase().split(';');
  if (kind.startsWith('image/')) {
    return () => (bytes) => ({ kind: 'encoded', bytes });
  }
  if (kind.trim() !== RAW_TYPE) {
    const words = `Expected an image as Content-Type image/jpeg, image/png, …, or raw pixels as ${RAW_TYPE}, got "${type ?? ''}".`;
    throw new LocalProblem(415, 'picture-type-unknown', words);
  }
  if (width === undefined || height === undefined) {
    throw new LocalProblem(400, 'query-invalid', 'Expected ?width=N&height=N, in pixels, beside raw pixels.');
  }
  const depth = channels === '1' ? 1 : 3;
  return (length: number) => {
    const expected = width * height * depth;
    if (length !== expected) {
      const words = `Expected ${expected} bytes for ${width} × ${height} pixels of ${depth}, got ${length}.`;
      throw new LocalProblem(400, 'body-invalid', words);
    }
    return (bytes) => ({ kind: 'raw', width, height, channels: depth, bytes });
  };
};
