import {
  channelCount,
  DECODER_KEYS,
  decoderSchema,
  TASK_OUTPUTS,
  type Task,
  taskSchema,
} from '../archive/processing.ts';
import { asRecord, type Contradiction } from './contradiction.ts';

type Path = readonly PropertyKey[];

/** Contradictions within one model: its task, labels, input and output, as they came. */
export function partContradictions(part: Record<string, unknown>, place: Path): Contradiction[] {
  const task = taskSchema.safeParse(part.task).data;
  return [
    ...input(part.input, place),
    ...(task === 'text' || task === 'raw' ? noTiles(task, asRecord(part.input), place) : []),
    ...(task === undefined ? [] : labels(task, part.labels, place)),
    ...(task === undefined ? [] : output(task, asRecord(part.output), place)),
  ];
}

function labels(task: Task, value: unknown, place: Path): Contradiction[] {
  const { minLabels } = TASK_OUTPUTS[task];
  const path = [...place, 'labels'];
  if (minLabels === null) {
    return value === undefined ? [] : [{ path, expected: `no labels, for task ${task} has none` }];
  }
  if (value === undefined) {
    return [{ path, expected: 'a list of labels, or the path of a text file with one per line' }];
  }
  if (!Array.isArray(value)) return [];
  return [
    // An empty list is refused by the schema already.
    ...(value.length > 0 && value.length < minLabels
      ? [{ path, expected: `a list of at least ${minLabels} labels for task ${task}` }]
      : []),
    // Characters of a dictionary may be blanks, and some dictionaries repeat themselves.
    ...(task === 'text' ? [] : value.flatMap((label: unknown, index) => labelProblems(value, label, [...path, index]))),
  ];
}

function labelProblems(labels: readonly unknown[], label: unknown, path: Path): Contradiction[] {
  if (typeof label === 'string' && label.trim() !== label)
    return [{ path, expected: 'a label without spaces around it' }];
  return labels.indexOf(label) < Number(path.at(-1)) ? [{ path, expected: 'each label once' }] : [];
}

function input(value: unknown, place: Path): Contradiction[] {
  if (value === undefined) return [{ path: [...place, 'input'], expected: 'a map of keys with width and height' }];
  const given = asRecord(value);
  if (given === undefined) return [];
  const dynamic = given.resize === 'within' || given.resize === 'fixed-height';
  return [
    ...channels(given, place),
    ...(dynamic && given.layout === 'flat'
      ? [{ path: [...place, 'input', 'layout'], expected: `nchw or nhwc with resize ${given.resize}` }]
      : []),
    ...(!dynamic && given.multipleOf !== undefined
      ? [{ path: [...place, 'input', 'multipleOf'], expected: 'it only with resize within or fixed-height' }]
      : []),
  ];
}

function noTiles(task: Task, given: Record<string, unknown> | undefined, place: Path): Contradiction[] {
  if (given?.tiles === undefined) return [];
  return [{ path: [...place, 'input', 'tiles'], expected: `no tiles: answers of task ${task} cannot be merged` }];
}

function channels(given: Record<string, unknown>, place: Path): Contradiction[] {
  const color = given.color ?? 'rgb';
  if (color !== 'gray' && color !== 'rgb' && color !== 'bgr') return [];
  const count = channelCount(color);
  return (['mean', 'std'] as const).flatMap((key) => {
    const values = given[key];
    // Other lengths than 1 and 3 are refused by the schema already.
    return Array.isArray(values) && (values.length === 1 || values.length === 3) && values.length !== count
      ? [
          {
            path: [...place, 'input', key],
            expected: `${count} ${count === 1 ? 'value' : 'values'} for color ${color}`,
          },
        ]
      : [];
  });
}

function output(task: Task, given: Record<string, unknown> | undefined, place: Path): Contradiction[] {
  const { activations, keys, hasConfidence } = TASK_OUTPUTS[task];
  const at = (key: string) => [...place, 'output', key];
  const decoder = decoderSchema.safeParse(given?.decoder).data;
  const found: Contradiction[] = [];
  const activation = given?.activation;
  if (isActivation(activation) && !activations.includes(activation)) {
    found.push({ path: at('activation'), expected: `${activations.join(' or ')} for task ${task}` });
  }
  if (task === 'detection' && given?.decoder === undefined) {
    found.push({ path: at('decoder'), expected: `one of ${decoderSchema.options.join(', ')}` });
  }
  if (decoder === 'lists' && given?.outputs === undefined) {
    found.push({ path: at('outputs'), expected: "the names of the model's outputs: boxes, scores, classes" });
  }
  for (const [key, value] of Object.entries(given ?? {})) {
    if (value === undefined || key === 'activation') continue;
    if (key === 'confidenceBelow') {
      if (!hasConfidence) found.push({ path: at(key), expected: `no such key: task ${task} knows no confidence` });
    } else if (isKey(key) && !keys.includes(key)) {
      found.push({ path: at(key), expected: `no such key for task ${task}` });
    } else if (decoder !== undefined && isKey(key) && !DECODER_KEYS[decoder].includes(key)) {
      found.push({ path: at(key), expected: `no such key for decoder ${decoder}` });
    }
  }
  return found;
}

type Key = (typeof TASK_OUTPUTS)[Task]['keys'][number];

/** Keys that no task has are refused by the schema already. */
function isKey(key: string): key is Key {
  return Object.values(TASK_OUTPUTS).some(({ keys }) => (keys as readonly string[]).includes(key));
}

function isActivation(value: unknown): value is (typeof TASK_OUTPUTS)[Task]['activations'][number] {
  return value === 'softmax' || value === 'sigmoid' || value === 'none';
}
