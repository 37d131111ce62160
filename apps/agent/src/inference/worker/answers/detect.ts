import { countsText, detectionSpec, type ManifestModel } from '@aviary/release';
import type { DetectedObject, FrameAnswer } from '../../frame.ts';
import type { ModelOutputs } from '../model-outputs.ts';
import type { View } from '../views.ts';
import { type FoundObject, type FoundObjects, joinViews, suppress } from './found-object.ts';
import { readListed } from './listed-objects.ts';
import { readTextMap } from './text-map.ts';
import { readYolo } from './yolo.ts';

/** Objects in one view of a frame, in pixels of the frame. @throws FrameError */
export function detectIn(outputs: ModelOutputs, part: ManifestModel, view: View): FoundObjects {
  const spec = detectionSpec(part.postprocessing);
  const found = decode(outputs, part.labels.length, spec, view);
  const { placement } = view;
  const objects = found.objects.flatMap((object): FoundObject[] => {
    const at = {
      left: clamped((object.left - placement.left) / placement.scaleX, view.width) + view.left,
      top: clamped((object.top - placement.top) / placement.scaleY, view.height) + view.top,
      right: clamped((object.right - placement.left) / placement.scaleX, view.width) + view.left,
      bottom: clamped((object.bottom - placement.top) / placement.scaleY, view.height) + view.top,
    };
    // What lies in the filling of a letterbox is no object of the frame.
    return at.right > at.left && at.bottom > at.top ? [{ ...object, ...at }] : [];
  });
  return { ...found, objects: suppressed(objects, spec) };
}

function decode(
  outputs: ModelOutputs,
  labels: number,
  spec: ReturnType<typeof detectionSpec>,
  { placement }: View,
): FoundObjects {
  switch (spec.decoder) {
    case 'yolov5':
    case 'yolov8':
      return readYolo(outputs[0], labels, spec, placement);
    case 'rows':
    case 'lists':
      return readListed(outputs, labels, spec, placement);
    case 'db':
      return readTextMap(outputs[0], spec, placement);
  }
}

/** What a model has suppressed itself, and areas of a map, which never overlap, stay as they are within a view. */
function suppressed(objects: readonly FoundObject[], spec: ReturnType<typeof detectionSpec>): readonly FoundObject[] {
  const isDone = spec.decoder !== 'yolov5' && spec.decoder !== 'yolov8';
  return suppress(objects, isDone ? 1 : spec.iouThreshold, spec.maxObjects);
}

/** The objects of all views, each once. */
export function joinObjects(views: readonly FoundObjects[], part: ManifestModel): FoundObjects {
  const { iouThreshold, maxObjects } = detectionSpec(part.postprocessing);
  const each = views.map(({ objects }) => objects);
  return {
    objects: joinViews(each, iouThreshold, maxObjects),
    bestRejected: Math.max(0, ...views.map(({ bestRejected }) => bestRejected)),
  };
}

/** How sure a frame's objects are: as its least sure one; without any, as sure as the best that was rejected was not. */
export function confidenceOf({ objects, bestRejected }: FoundObjects): number {
  return objects.reduce((least, { score }) => Math.min(least, score), objects.length === 0 ? 1 - bestRejected : 1);
}

/** An object as applications get it. */
export function objectOf(
  { index, score, left, top, right, bottom }: FoundObject,
  labels: readonly string[],
): DetectedObject {
  const box = { left, top, width: right - left, height: bottom - top };
  return { label: labels[index] ?? '', index, confidence: score, box };
}

/** A frame's answer. */
export function detectionAnswer(found: FoundObjects, { labels, postprocessing }: ManifestModel): FrameAnswer {
  const objects = found.objects.map((object) => objectOf(object, labels));
  const confidence = confidenceOf(found);
  return {
    label: countsText(
      objects.map(({ label }) => label),
      labels,
    ),
    confidence,
    lowConfidence: confidence < postprocessing.confidenceBelow,
    objects,
  };
}

function clamped(value: number, most: number): number {
  return Math.max(0, Math.min(most, value));
}
