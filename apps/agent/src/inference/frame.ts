/** One picture as it came from its source: an image file's bytes, or rows of 8-bit pixels, interleaved, top to bottom. */
export type Picture =
  | { readonly kind: 'encoded'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'raw';
      readonly bytes: Uint8Array;
      /** Pixels. */
      readonly width: number;
      readonly height: number;
      /** 1: gray. 3: red, green, blue. */
      readonly channels: 1 | 3;
    };

/** A picture on its way to the worker. */
export interface Frame {
  /** Where it came from, for people: a file name. */
  readonly source: string;
  readonly picture: Picture;
  /** The right answer, where it is known. */
  readonly truth?: string;
}

/** How many of the newest frames a worker can still give the features of. */
export const REMEMBERED_FRAMES = 512;

/** What the model said about one frame. */
export interface InferenceResult {
  /** Top-1 label of the release. */
  readonly label: string;
  /** Its index in the release's labels. */
  readonly index: number;
  /** After the release's activation; 0 to 1 with softmax. */
  readonly confidence: number;
  /** The confidence is under what the release asks for. */
  readonly lowConfidence: boolean;
  /** Milliseconds in the worker: decoding and pre-processing, the model's run, post-processing. */
  readonly ms: {
    readonly preprocess: number;
    readonly run: number;
    readonly postprocess: number;
    readonly total: number;
  };
}

/** A frame's answer under the name by which applications may come back to it. */
export interface AnsweredFrame extends InferenceResult {
  /** `<worker's session>-<number>`: never given twice, whichever worker answers. */
  readonly id: string;
}
