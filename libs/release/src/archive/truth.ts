import type { Task } from './processing.ts';

/**
 * What stands in the place of a label in a frame's answer and in `labels.csv`: one of the labels; how many objects of
 * each label, e.g. `2 person; 1 car`; the text that was read; or nothing.
 */
export type TruthKind = 'label' | 'counts' | 'text' | 'nothing';

const KINDS: Readonly<Record<Task, TruthKind>> = {
  classification: 'label',
  segmentation: 'label',
  detection: 'counts',
  text: 'text',
  embedding: 'nothing',
  raw: 'nothing',
};

/** A cascade answers with objects, so one that ends in a classifier counts labels, too. */
export function truthKind({ task, cascade }: { readonly task: Task; readonly cascade?: unknown }): TruthKind {
  return cascade !== undefined && task === 'classification' ? 'counts' : KINDS[task];
}

/** A frame in which nothing was found. */
export const NOTHING_FOUND = 'none';

/** How many objects of each label there are, in the order of the labels: `2 person; 1 car`, or `none`. */
export function countsText(found: readonly string[], labels: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const label of found) counts.set(label, (counts.get(label) ?? 0) + 1);
  const parts = labels.flatMap((label) => (counts.has(label) ? [`${counts.get(label)} ${label}`] : []));
  return parts.length === 0 ? NOTHING_FOUND : parts.join('; ');
}

/** A truth as a frame's answer would say it; undefined for one that no answer can be. */
export function normalTruth(kind: TruthKind, text: string, labels: readonly string[]): string | undefined {
  if (kind === 'nothing') return text === '' ? text : undefined;
  if (kind === 'text') return text;
  if (kind === 'label') return labels.includes(text) ? text : undefined;
  if (text.trim() === NOTHING_FOUND) return NOTHING_FOUND;
  const found: string[] = [];
  for (const part of text.split(';')) {
    const [, count, label] = /^\s*(\d{1,4}) (.+?)\s*$/.exec(part) ?? [];
    if (count === undefined || label === undefined || !labels.includes(label) || found.includes(label))
      return undefined;
    found.push(...new Array<string>(Number(count)).fill(label));
  }
  return countsText(found, labels);
}

/** What a truth of this kind may be, for people. */
export const TRUTH_WORDS: Readonly<Record<TruthKind, string>> = {
  label: "one of the model's labels",
  counts: "how many objects of each of the model's labels, e.g. 2 person; 1 car, or none",
  text: 'the text that is to be read',
  nothing: 'nothing, for answers of this task are right or wrong only beside golden outputs',
};
