import type { ManifestModel, Postprocessing } from '@aviary/release';
import { FrameError } from '../../errors.ts';
import type { FrameAnswer, PartAnswer, RawOutput } from '../../frame.ts';
import type { ModelOutputs } from '../model-outputs.ts';
import type { View } from '../views.ts';
import { type Areas, readAreas } from './areas.ts';
import { classify, probabilities } from './classify.ts';
import { detectIn, detectionAnswer, joinObjects } from './detect.ts';
import type { FoundObjects } from './found-object.ts';
import { readLine } from './read-line.ts';
import { unitVector } from './unit-vector.ts';

/** What is kept of a model's outputs for one view of a frame until all have been seen: of large ones what they say. */
export type ReadView =
  | { readonly kind: 'found'; readonly found: FoundObjects }
  | { readonly kind: 'areas'; readonly areas: Areas; readonly pixels: number }
  | { readonly kind: 'outputs'; readonly outputs: ModelOutputs };

export type ReadViews = readonly [ReadView, ...ReadView[]];

/** Numbers of raw outputs that applications get, all outputs together; a tensor can have millions. */
const MOST_RAW_VALUES = 4096;

/**
 * Reads what a model gave for one view.
 * @param view where it lay; `null` for a model whose answers name no places
 * @throws FrameError `frame-failed` when its outputs are no answer of its task
 */
export function readView(part: ManifestModel, outputs: ModelOutputs, view: View | null): ReadView {
  if (part.task === 'detection') return { kind: 'found', found: detectIn(outputs, part, placed(view)) };
  if (part.task !== 'segmentation') return { kind: 'outputs', outputs };
  const { width, height, placement } = placed(view);
  const areas = readAreas(outputs[0], part.labels.length, part.postprocessing, placement);
  return { kind: 'areas', areas, pixels: width * height };
}

/**
 * What a model says about a frame that it has seen in one view or in several.
 * @throws FrameError `frame-failed` when its outputs are no answer of its task
 */
export function answerOf(part: ManifestModel, views: ReadViews): FrameAnswer {
  switch (part.task) {
    case 'classification':
      return classifyViews(part, outputsIn(views));
    case 'detection':
      return detectionAnswer(
        joinObjects(
          views.flatMap((view) => (view.kind === 'found' ? [view.found] : [])),
          part,
        ),
        part,
      );
    case 'segmentation':
      return segment(
        part,
        views.flatMap((view) => (view.kind === 'areas' ? [view] : [])),
      );
    case 'embedding':
      return { ...SURE, vector: meanVector(outputsIn(views)) };
    case 'text':
      return readFirst(part, outputsIn(views));
    case 'raw':
      return { ...SURE, outputs: rawOutputs(outputsIn(views)[0]) };
  }
}

/** What a later stage of a cascade says about an object. */
export function partAnswerOf(part: ManifestModel, outputs: ModelOutputs): PartAnswer {
  const { label, confidence, lowConfidence, vector } = answerOf(part, [{ kind: 'outputs', outputs }]);
  return { label, confidence, lowConfidence, ...(vector === undefined ? {} : { vector }) };
}

type Outputs = readonly [ModelOutputs, ...ModelOutputs[]];

/** Of views whose outputs are kept as they are. */
export function outputsIn(views: ReadViews): Outputs {
  const [only] = views;
  if (views.length === 1 && only.kind === 'outputs') return [only.outputs];
  const [first, ...others] = views.flatMap((view) => (view.kind === 'outputs' ? [view.outputs] : []));
  if (first === undefined) throw new FrameError('frame-failed', 'expected the outputs of a model, got what they say');
  return [first, ...others];
}

/** How probable each label of a classifier is, as the mean of the views. */
export function meanProbabilities({ labels, postprocessing }: ManifestModel, views: Outputs): Float64Array {
  const means = new Float64Array(labels.length);
  for (const [{ values }] of views) {
    // It says what is wrong with the scores.
    if (values.length !== labels.length) classify(values, labels, postprocessing);
    const each = probabilities(values, postprocessing.activation);
    for (let i = 0; i < means.length; i += 1) means[i] = (means[i] as number) + (each[i] as number) / views.length;
  }
  return means;
}

function classifyViews(part: ManifestModel, views: Outputs): FrameAnswer {
  const { labels, postprocessing } = part;
  if (views.length === 1) return classify(views[0][0].values, labels, postprocessing);
  const { confidenceBelow } = postprocessing;
  return classify(meanProbabilities(part, views), labels, { activation: 'none', confidenceBelow });
}

/** The task says nothing of how sure the model is. */
const SURE = { label: '', confidence: 1, lowConfidence: false } as const;

function segment(
  { labels, postprocessing }: ManifestModel,
  views: readonly { readonly areas: Areas; readonly pixels: number }[],
): FrameAnswer {
  const all = views.reduce((sum, { pixels }) => sum + pixels, 0);
  const mean = (of: (areas: Areas) => number) =>
    views.reduce((sum, { pixels, areas }) => sum + of(areas) * pixels, 0) / all;
  const shares = labels.map((_, index) => mean((areas) => areas.shares[index] as number));
  const index = shares.indexOf(Math.max(...shares));
  const confidence = mean((areas) => areas.confidence);
  return {
    label: labels[index] ?? '',
    index,
    confidence,
    lowConfidence: isUnder(confidence, postprocessing),
    shares: Object.fromEntries(
      labels.flatMap((label, i) => ((shares[i] as number) > 0 ? [[label, shares[i] as number]] : [])),
    ),
  };
}

function meanVector(views: Outputs): number[] {
  const vectors = views.map(([{ values }]) => unitVector(values));
  const [first = []] = vectors;
  if (vectors.length === 1) return first;
  return unitVector(first.map((_, i) => vectors.reduce((sum, vector) => sum + (vector[i] as number), 0)));
}

function readFirst({ labels, postprocessing }: ManifestModel, [[output]]: Outputs): FrameAnswer {
  const { text, confidence } = readLine(output, labels, postprocessing);
  return { label: text, confidence, lowConfidence: isUnder(confidence, postprocessing) };
}

function isUnder(confidence: number, { confidenceBelow }: Pick<Postprocessing, 'confidenceBelow'>): boolean {
  return confidence < confidenceBelow;
}

function rawOutputs(outputs: ModelOutputs): RawOutput[] {
  let left = MOST_RAW_VALUES;
  return outputs.map(({ name, dims, values }) => {
    const length = Math.min(left, values.length);
    left -= length;
    return { name, shape: dims, values: Array.from({ length }, (_, i) => values[i] as number) };
  });
}

function placed(view: View | null): View {
  if (view === null) throw new FrameError('frame-failed', 'expected to know where in the frame the model has looked');
  return view;
}
