import { countsText, type Stage } from '@aviary/release';
import type { DetectedObject, FrameAnswer, PartAnswer, RawPicture } from '../frame.ts';
import { inReadingOrder } from './answers/reading-order.ts';
import { partAnswerOf } from './answers/task-answers.ts';
import type { LoadedModel, Stopwatch } from './loaded-model.ts';
import { cut, turned } from './pixels.ts';
import type { Rectangle } from './views.ts';

/** A later stage of a cascade, with its model. */
export interface LoadedStage {
  readonly stage: Stage;
  readonly model: LoadedModel;
}

interface Followed {
  readonly object: DetectedObject;
  readonly answers: Record<string, PartAnswer>;
  /** Degrees by which stages have turned it. */
  turned: number;
}

/**
 * Gives each object that the first stage has found to the stages after it.
 * @param found what the first stage says about the frame
 * @throws FrameError when a stage gives nothing that is an answer
 */
export async function followObjects(
  frame: RawPicture,
  found: FrameAnswer,
  stages: readonly LoadedStage[],
  watch: Stopwatch,
): Promise<FrameAnswer> {
  const followed = (found.objects ?? []).map((object): Followed => ({ object, answers: {}, turned: 0 }));
  for (const { stage, model } of stages) {
    const wanted = followed.filter(({ object }) => stage.only?.includes(object.label) ?? true);
    const start = performance.now();
    const crops = wanted.map(({ object, turned: degrees }) =>
      turned(cut(frame, rectangleOf(object, stage.margin ?? 0, frame)), degrees),
    );
    watch.preprocess += performance.now() - start;
    await model.see(crops, watch, ({ outputs }, index) => {
      const one = wanted[index] as Followed;
      const answer = partAnswerOf(model.part, outputs);
      one.answers[stage.model] = answer;
      // An unsure stage turns nothing: most objects stand as they should.
      if (!answer.lowConfidence) one.turned += stage.turns?.[answer.label] ?? 0;
    });
  }
  return joined(found, followed, stages);
}

/** An object with its surroundings, within the frame. */
function rectangleOf({ box }: DetectedObject, margin: number, frame: RawPicture): Rectangle {
  const left = Math.max(0, Math.floor(box.left - box.width * margin));
  const top = Math.max(0, Math.floor(box.top - box.height * margin));
  const right = Math.min(frame.width, Math.ceil(box.left + box.width * (1 + margin)));
  const bottom = Math.min(frame.height, Math.ceil(box.top + box.height * (1 + margin)));
  return { left, top, width: Math.max(1, right - left), height: Math.max(1, bottom - top) };
}

/**
 * The frame's answer: as sure as the least sure thing in it. A stage that turns objects does not count, since what is
 * read of them afterwards tells whether it was right.
 */
function joined(found: FrameAnswer, followed: readonly Followed[], stages: readonly LoadedStage[]): FrameAnswer {
  const last = stages.at(-1);
  const isText = last?.model.part.task === 'text';
  const all = followed.map(({ object, answers }) => ({ ...object, answers }));
  const objects = isText ? inReadingOrder(all) : all;
  const counting = stages.filter(({ stage }) => stage.turns === undefined).map(({ stage }) => stage.model);
  const said = followed.flatMap(({ answers }) => counting.flatMap((id) => answers[id] ?? []));
  const labels = objects.flatMap(({ answers }) => {
    const answer = last === undefined ? undefined : answers[last.stage.model];
    return answer === undefined ? [] : [answer.label];
  });
  return {
    label: isText ? labels.filter((text) => text !== '').join(' ') : labelOf(last, labels),
    confidence: said.reduce((least, { confidence }) => Math.min(least, confidence), found.confidence),
    lowConfidence: found.lowConfidence || said.some(({ lowConfidence }) => lowConfidence),
    objects,
  };
}

function labelOf(last: LoadedStage | undefined, labels: readonly string[]): string {
  const part = last?.model.part;
  return part?.task === 'classification' ? countsText(labels, part.labels) : '';
}
