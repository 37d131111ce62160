import type { ManifestModel, Postprocessing } from '@aviary/release';
import { FrameError } from '../../errors.ts';
import type { FrameAnswer, PartAnswer, RawOutput } from '../../frame.ts';
import type { ModelOutputs } from '../model-outputs.ts';
import type { View } from '../views.ts';
import { type Areas, readAreas } from './areas.ts';
import { classify, probabilities } from './classify.ts';
import { detectIn, detectionAnswer, joinObjects } from './detect.ts';
import { readLine } from './read-line.ts';
import { unitVector } from './unit-vector.ts';

/** What a model gave for one view of a frame. */
export interface SeenView {
  readonly outputs: ModelOutputs;
  /** Where it lay: `null` for a model whose answers name no places. */
  readonly view: View | null;
}

type Views = readonly [SeenView, ...SeenView[]];

/** Numbers of raw outputs that applications get, all outputs together; a tensor can have millions. */
const MOST_RAW_VALUES = 4096;

/**
 * What a model says about a frame that it has seen in one view or in several.
 * @throws FrameError `frame-failed` when its outputs are no answer of its task
 */
export function answerOf(part: ManifestModel, views: Views): FrameAnswer {
  switch (part.task) {
    case 'classification':
      return classifyViews(part, views);
    case 'detection':
      return detectionAnswer(
        joinObjects(
          views.map(({ outputs, view }) => detectIn(outputs, part, placed(view))),
          part,
        ),
        part,
      );
    case 'segmentation':
      return segment(part, views);
    case 'embedding':
      return { ...SURE, vector: meanVector(views) };
    case 'text':
      return readViews(part, views);
    case 'raw':
      return { ...SURE, outputs: rawOutputs(views[0].outputs) };
  }
}

/** What a later stage of a cascade says about an object. */
export function partAnswerOf(part: ManifestModel, outputs: ModelOutputs): PartAnswer {
  const { label, confidence, lowConfidence, vector } = answerOf(part, [{ outputs, view: null }]);
  return { label, confidence, lowConfidence, ...(vector === undefined ? {} : { vector }) };
}

/** How probable each label of a classifier is, as the mean of the views. */
export function meanProbabilities({ labels, postprocessing }: ManifestModel, views: Views): Float64Array {
  const means = new Float64Array(labels.length);
  for (const { outputs } of views) {
    const { values } = outputs[0];
    // It says what is wrong with the scores.
    if (values.length !== labels.length) classify(values, labels, postprocessing);
    const each = probabilities(values, postprocessing.activation);
    for (let i = 0; i < means.length; i += 1) means[i] = (means[i] as number) + (each[i] as number) / views.length;
  }
  return means;
}

function classifyViews(part: ManifestModel, views: Views): FrameAnswer {
  const { labels, postprocessing } = part;
  if (views.length === 1) return classify(views[0].outputs[0].values, labels, postprocessing);
  const { confidenceBelow } = postprocessing;
  return classify(meanProbabilities(part, views), labels, { activation: 'none', confidenceBelow });
}

/** The task says nothing of how sure the model is. */
const SURE = { label: '', confidence: 1, lowConfidence: false } as const;

function segment({ labels, postprocessing }: ManifestModel, views: Views): FrameAnswer {
  const each = views.map(({ outputs, view }) => {
    const at = placed(view);
    return { pixels: at.width * at.height, areas: readAreas(outputs[0], labels.length, postprocessing, at.placement) };
  });
  const all = each.reduce((sum, { pixels }) => sum + pixels, 0);
  const mean = (of: (areas: Areas) => number) =>
    each.reduce((sum, { pixels, areas }) => sum + of(areas) * pixels, 0) / all;
  const shares = labels.map((_, index) => mean((areas) => areas.shares[index] as number));
  const index = shares.indexOf(Math.max(...shares));
  const confidence = mean((areas) => areas.confidence);
  return {
    label: labels[index] ?? '',
    index,
    confidence,
    lowConfidence: confidence < postprocessing.confidenceBelow,
    shares: Object.fromEntries(
      labels.flatMap((label, i) => ((shares[i] as number) > 0 ? [[label, shares[i] as number]] : [])),
    ),
  };
}

function meanVector(views: Views): number[] {
  const vectors = views.map(({ outputs }) => unitVector(outputs[0].values));
  const [first = []] = vectors;
  if (vectors.length === 1) return first;
  return unitVector(first.map((_, i) => vectors.reduce((sum, vector) => sum + (vector[i] as number), 0)));
}

function readViews({ labels, postprocessing }: ManifestModel, [{ outputs }]: Views): FrameAnswer {
  const { text, confidence } = readLine(outputs[0], labels, postprocessing);
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
