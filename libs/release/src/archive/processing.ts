import { z } from 'zod';

// Schemas of some size are made when something is to be read by them, here and in the manifest: an agent reads a manifest
// when it opens a release, and would keep four hundred of them for years.

/**
 * What a model answers: one label of a picture, objects with boxes, the labels of a picture's areas, a vector, a line of
 * text, or its numbers as they are.
 */
export const taskSchema = z.enum(['classification', 'detection', 'segmentation', 'embedding', 'text', 'raw']);
export type Task = z.infer<typeof taskSchema>;

/** A part of the upright frame, as shares of its sides from 0 to 1. */
export const regionSchema = () =>
  z
    .strictObject({
      left: z.number().min(0).lt(1).default(0),
      top: z.number().min(0).lt(1).default(0),
      width: z.number().gt(0).max(1).default(1),
      height: z.number().gt(0).max(1).default(1),
    })
    // A little more than 1, since 0.7 + 0.3 may be.
    .refine(({ left, width }) => left + width <= 1.000001, 'expected left + width of at most 1')
    .refine(({ top, height }) => top + height <= 1.000001, 'expected top + height of at most 1');
export type Region = z.infer<ReturnType<typeof regionSchema>>;

/** Parts into which the region is cut, in pixels of the frame. */
export const tilesSchema = () =>
  z
    .strictObject({
      width: z.int().min(16).max(8192),
      height: z.int().min(16).max(8192),
      /** How far neighbours reach into each other, at least: what lies on an edge is whole in one of them. */
      overlap: z.int().min(0).max(4096).default(0),
    })
    .refine(
      ({ width, height, overlap }) => overlap * 2 <= Math.min(width, height),
      'expected an overlap of at most half of a side',
    );
export type Tiles = z.infer<ReturnType<typeof tilesSchema>>;

/**
 * From a picture to the model's input: resize to `width` × `height`, bring to `color`, then per value
 * `(pixel · scale − mean[c]) ÷ std[c]` with pixel 0 to 255 and one mean and std per channel.
 */
export const preprocessingSchema = () =>
  z.strictObject({
    /** Pixels; the most, where the size follows from the picture. */
    width: z.int().min(1).max(8192),
    height: z.int().min(1).max(8192),
    /** `gray`: one channel; `rgb`, `bgr`: three, in this order. */
    color: z.enum(['gray', 'rgb', 'bgr']),
    /**
     * `stretch` ignores the aspect, `letterbox` keeps it and fills, `crop` keeps it and cuts around the centre. In the other
     * two the tensor's size follows from the picture: `within` makes it no larger than `width` × `height`, `fixed-height`
     * makes it `height` high.
     */
    resize: z.enum(['stretch', 'letterbox', 'crop', 'within', 'fixed-height']),
    /** 0 to 255, what `letterbox` fills with. */
    fill: z.int().min(0).max(255),
    /** Shape of the input tensor: `[1,C,H,W]`, `[1,H,W,C]`, or `flat`: `[1, H·W·C]` in the order of nhwc. */
    layout: z.enum(['nchw', 'nhwc', 'flat']),
    scale: z.number().positive(),
    mean: z.array(z.number()),
    std: z.array(z.number().positive()),
    /** With `within` both sides, with `fixed-height` the width are multiples of this. */
    multipleOf: z.int().min(1).max(512).optional(),
    /** The model sees this part of the frame only. */
    region: regionSchema().optional(),
    /** The model sees the frame in parts, and their answers are merged. */
    tiles: tilesSchema().optional(),
    /** Most pictures in one run: the tensor's first dimension. Absent: 1. */
    batch: z.int().min(1).max(64).optional(),
  });
export type Preprocessing = z.infer<ReturnType<typeof preprocessingSchema>>;

/** How a detector's outputs say its objects; see {@link DetectionSpec}. */
export const decoderSchema = z.enum(['yolov5', 'yolov8', 'rows', 'lists', 'db']);

/** From the model's outputs to an answer. Which keys count follows from the task. */
export const postprocessingSchema = () =>
  z.strictObject({
    activation: z.enum(['softmax', 'sigmoid', 'none']),
    /** An answer whose confidence is under this counts as low confidence. */
    confidenceBelow: z.number().min(0).max(1),
    decoder: decoderSchema.optional(),
    /** What the four numbers of a box are. */
    boxes: z.enum(['cxcywh', 'xyxy', 'yxyx']).optional(),
    /** Of a box: pixels of the model's input, or shares of its sides. */
    unit: z.enum(['pixels', 'shares']).optional(),
    /** An object counts from this score on. */
    scoreThreshold: z.number().min(0).max(1).optional(),
    /** Of two objects of one label that overlap more than this (intersection over union), the surer one stays. */
    iouThreshold: z.number().min(0).max(1).optional(),
    maxObjects: z.int().min(1).max(1000).optional(),
    /** Names of the model's outputs, for the decoder `lists`. */
    outputs: z
      .strictObject({ boxes: z.string().min(1), scores: z.string().min(1), classes: z.string().min(1) })
      .optional(),
    /** The number that the model has for the first label. */
    firstClass: z.int().min(0).max(1000).optional(),
    /** Of decoder `db`: from which value on a pixel of the map is text. */
    mapThreshold: z.number().min(0).max(1).optional(),
    /** Of decoder `db`: how far a box is widened; the model finds the core of a line only. */
    unclip: z.number().min(0).max(10).optional(),
    /** Of decoder `db`: areas less wide or high than so many pixels of the map are noise. */
    minSide: z.int().min(1).max(1000).optional(),
    /** Of task `text`: where the class that means no character stands. */
    blank: z.enum(['first', 'last']).optional(),
    /** Of task `text`: a space follows the labels as one more character. */
    space: z.boolean().optional(),
  });
export type Postprocessing = z.infer<ReturnType<typeof postprocessingSchema>>;

/** `output` as somebody has written it: what is left out has a default. */
export type GivenPostprocessing = { readonly [Key in keyof Postprocessing]?: Postprocessing[Key] | undefined };

/** Number of values per pixel. */
export function channelCount(color: Preprocessing['color']): 1 | 3 {
  return color === 'gray' ? 1 : 3;
}

/** Whether the tensor's size follows from the picture. */
export function hasDynamicSize({ resize }: Pick<Preprocessing, 'resize'>): boolean {
  return resize === 'within' || resize === 'fixed-height';
}

type OutputKey = Exclude<keyof Postprocessing, 'activation' | 'confidenceBelow'>;

/** What a task's answer is made by: its activations (the default first) and the keys of `output` that count. */
interface TaskOutput {
  readonly activations: readonly [Postprocessing['activation'], ...Postprocessing['activation'][]];
  readonly keys: readonly OutputKey[];
  /** Labels that it needs, at least; null: it has none. */
  readonly minLabels: number | null;
  /** It says how sure it is. */
  readonly hasConfidence: boolean;
}

const DETECTION_KEYS = ['decoder', 'scoreThreshold', 'maxObjects', 'iouThreshold'] as const;

export const TASK_OUTPUTS: Readonly<Record<Task, TaskOutput>> = {
  classification: { activations: ['softmax', 'sigmoid', 'none'], keys: [], minLabels: 2, hasConfidence: true },
  detection: {
    activations: ['none', 'sigmoid'],
    keys: [...DETECTION_KEYS, 'boxes', 'unit', 'outputs', 'firstClass', 'mapThreshold', 'unclip', 'minSide'],
    minLabels: 1,
    hasConfidence: true,
  },
  segmentation: { activations: ['softmax', 'none'], keys: [], minLabels: 2, hasConfidence: true },
  embedding: { activations: ['none'], keys: [], minLabels: null, hasConfidence: false },
  text: { activations: ['none', 'softmax'], keys: ['blank', 'space'], minLabels: 1, hasConfidence: true },
  raw: { activations: ['none'], keys: [], minLabels: null, hasConfidence: false },
};

type Decoder = z.infer<typeof decoderSchema>;

/** Keys of `output` that count for each decoder of task `detection`. */
export const DECODER_KEYS: Readonly<Record<Decoder, readonly OutputKey[]>> = {
  yolov5: [...DETECTION_KEYS, 'boxes', 'unit'],
  yolov8: [...DETECTION_KEYS, 'boxes', 'unit'],
  rows: [...DETECTION_KEYS, 'boxes', 'unit', 'firstClass'],
  lists: [...DETECTION_KEYS, 'boxes', 'unit', 'firstClass', 'outputs'],
  db: ['decoder', 'scoreThreshold', 'maxObjects', 'iouThreshold', 'mapThreshold', 'unclip', 'minSide'],
};

/**
 * How objects are read from a detector's outputs.
 * - `yolov5`: `[1,N,5+C]`, a box, the score of there being an object, and one score per label
 * - `yolov8`: `[1,4+C,N]`, a box and one score per label
 * - `rows`: `[1,N,6]` or `[N,6]`, a box, a score, a class; what is suppressed is suppressed already
 * - `lists`: the same in three outputs
 * - `db`: a map `[1,1,H,W]` of how likely each pixel is text, after Liao et al., "Real-time Scene Text Detection with
 *   Differentiable Binarization" (2020)
 */
export interface DetectionSpec {
  readonly decoder: Decoder;
  readonly boxes: NonNullable<Postprocessing['boxes']>;
  readonly unit: NonNullable<Postprocessing['unit']>;
  readonly scoreThreshold: number;
  readonly iouThreshold: number;
  readonly maxObjects: number;
  readonly firstClass: number;
  readonly mapThreshold: number;
  readonly unclip: number;
  readonly minSide: number;
  readonly sigmoid: boolean;
  readonly outputs: Postprocessing['outputs'] | undefined;
}

/** What a detection's `output` says, with defaults; decoder `yolov8` where none is named. */
export function detectionSpec(output: GivenPostprocessing): DetectionSpec {
  const decoder = output.decoder ?? 'yolov8';
  const isYolo = decoder === 'yolov5' || decoder === 'yolov8';
  return {
    decoder,
    boxes: output.boxes ?? (isYolo ? 'cxcywh' : 'xyxy'),
    unit: output.unit ?? 'pixels',
    scoreThreshold: output.scoreThreshold ?? (decoder === 'db' ? 0.6 : 0.25),
    // What is suppressed already is not judged anew, except where tiles overlap.
    iouThreshold: output.iouThreshold ?? 0.45,
    maxObjects: output.maxObjects ?? (decoder === 'db' ? 1000 : 100),
    firstClass: output.firstClass ?? 0,
    mapThreshold: output.mapThreshold ?? 0.3,
    unclip: output.unclip ?? 1.5,
    minSide: output.minSide ?? 3,
    sigmoid: output.activation === 'sigmoid',
    outputs: output.outputs,
  };
}

/** `output` with the defaults of its task written out: a manifest says all that counts. */
export function filledPostprocessing(task: Task, output: GivenPostprocessing): Postprocessing {
  const { activations, hasConfidence, keys } = TASK_OUTPUTS[task];
  const common = {
    activation: output.activation ?? activations[0],
    confidenceBelow: output.confidenceBelow ?? (hasConfidence ? 0.5 : 0),
  };
  if (task === 'text') return { ...common, blank: output.blank ?? 'first', space: output.space ?? false };
  if (task !== 'detection') return common;
  const spec = detectionSpec(output);
  const counting = DECODER_KEYS[spec.decoder];
  const written = keys.flatMap((key) => {
    const value = key in spec ? spec[key as keyof DetectionSpec] : undefined;
    return counting.includes(key) && value !== undefined ? [[key, value]] : [];
  });
  return postprocessingSchema().parse({ ...common, ...Object.fromEntries(written) });
}
