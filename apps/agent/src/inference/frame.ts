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

/** Rows of pixels. */
export type RawPicture = Extract<Picture, { kind: 'raw' }>;

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

/** What a later stage of a cascade, or its first one, says about an object. */
export interface PartAnswer {
  /** The label, or the text that was read; empty with an embedding. */
  readonly label: string;
  readonly confidence: number;
  /** The confidence is under what the model of this stage asks for. */
  readonly lowConfidence: boolean;
  /** Of an embedding, of length 1. */
  readonly vector?: readonly number[];
}

/** An object in a frame. */
export interface DetectedObject {
  readonly label: string;
  /** Of the label. */
  readonly index: number;
  readonly confidence: number;
  /** Pixels of the upright frame; not beyond its edges. */
  readonly box: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
  /** Of a cascade: what each further stage says about it, by the id of its model. */
  readonly answers?: Readonly<Record<string, PartAnswer>>;
}

/** An output of a model as it is. */
export interface RawOutput {
  readonly name: string;
  readonly shape: readonly number[];
  /** Of many only the first; `shape` says how many there are. */
  readonly values: readonly number[];
}

/** What a release says about one frame: a label with a confidence whatever its task, and what else its task gives. */
export interface FrameAnswer {
  /**
   * Classification: the most probable label. Segmentation: the label with the largest share. Detection: how many objects
   * of each label, e.g. `2 person; 1 car`, or `none`. Text: what was read. Else empty.
   */
  readonly label: string;
  /** Of a single label, its index in the release's labels. */
  readonly index?: number;
  /** 0 to 1 for what says probabilities; see docs/model-yaml.md for what each task means by it. */
  readonly confidence: number;
  /** The confidence is under what the release asks for. */
  readonly lowConfidence: boolean;
  /** Detection: most sure first; with text in the order of reading. */
  readonly objects?: readonly DetectedObject[];
  /** Segmentation: share of the picture's pixels of each label that has any. */
  readonly shares?: Readonly<Record<string, number>>;
  /** Embedding: of length 1. */
  readonly vector?: readonly number[];
  readonly outputs?: readonly RawOutput[];
}

/** An answer, and how long it took. */
export interface InferenceResult extends FrameAnswer {
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
  /** ms since 1970, when it was answered: the same for all who are told. */
  readonly at: number;
}
