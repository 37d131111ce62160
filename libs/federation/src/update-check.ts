import { decodeHead, HeadBytesError, type HeadShape, normOf } from './head-codec.ts';

/** An update longer than this is no step of training: heads themselves are shorter by orders of magnitude. */
export const LONGEST_NORM = 1e5;
/** More labelled samples than a device keeps; the number is its weight in the sum. */
export const MOST_SAMPLES = 1_000_000;

/** An update as a device sent it, and what the round expects. */
export interface ArrivedUpdate {
  readonly bytes: Uint8Array;
  readonly shape: HeadShape;
  /** SHA-256 of the head from which the device started. */
  readonly base: string;
  readonly expectedBase: string;
  /** Labelled samples that it trained on. */
  readonly samples: number;
  readonly minSamples: number;
  /** Mean cross entropy over them, after training. */
  readonly loss: number;
}

export type RefusalCode = 'update-stale' | 'update-length' | 'update-samples' | 'update-not-finite' | 'update-norm';

export type CheckedUpdate =
  | { readonly ok: true; readonly values: Float32Array; readonly norm: number }
  | { readonly ok: false; readonly code: RefusalCode; readonly words: string };

const refused = (code: RefusalCode, words: string): CheckedUpdate => ({ ok: false, code, words });

/** Whether an update can go into the sum, with the reason when it cannot. */
export const checkUpdate = (update: ArrivedUpdate): CheckedUpdate => {
  const { base, expectedBase, samples, minSamples, loss } = update;
  if (base !== expectedBase) {
    return refused(
      'update-stale',
      `Expected an update of the head ${expectedBase.slice(0, 12)}…, got one of ${base.slice(0, 12)}…: the device trained from another head than the round's.`,
    );
  }
  const least = Math.max(1, minSamples);
  if (!Number.isSafeInteger(samples) || samples < least || samples > MOST_SAMPLES) {
    return refused('update-samples', `Expected ${least} to ${MOST_SAMPLES} labelled samples, got ${samples}.`);
  }
  if (!Number.isFinite(loss) || loss < 0) {
    return refused('update-not-finite', `Expected a loss of 0 or more, got ${loss}: the training did not converge.`);
  }
  try {
    const values = decodeHead(update.bytes, update.shape);
    const wrong = values.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0) {
      return refused('update-not-finite', `Expected finite numbers, got ${values[wrong]} as value ${wrong + 1}.`);
    }
    const norm = normOf(values);
    if (norm > LONGEST_NORM) {
      return refused(
        'update-norm',
        `Expected an update of length ${LONGEST_NORM} at most, got ${norm.toPrecision(3)}.`,
      );
    }
    return { ok: true, values, norm };
  } catch (error) {
    if (!(error instanceof HeadBytesError)) throw error;
    return refused('update-length', error.message);
  }
};
