import { TASK_OUTPUTS, type Task, taskSchema } from '../archive/processing.ts';
import { truthKind } from '../archive/truth.ts';
import { asRecord, type Contradiction } from './contradiction.ts';
import { partContradictions } from './part-contradictions.ts';

/** Contradictions between a definition's models, and between them and everything else. */
export function togetherContradictions(definition: Record<string, unknown>): Contradiction[] {
  const { models, cascade, ensemble } = definition;
  const found = [...limits(definition), ...files(definition)];
  if (models === undefined) {
    for (const key of ['ensemble', 'cascade'] as const) {
      if (definition[key] !== undefined) found.push({ path: [key], expected: 'it beside models only' });
    }
    return found;
  }
  for (const key of ['labels', 'input'] as const) {
    if (definition[key] !== undefined)
      found.push({ path: [key], expected: 'it in each of the models, not beside them' });
  }
  // An absent output is an empty one by now.
  if (Object.keys(asRecord(definition.output) ?? {}).length > 0) {
    found.push({ path: ['output'], expected: 'it in each of the models, not beside them' });
  }
  if (!Array.isArray(models)) return found;
  const parts = models.map((model: unknown) => asRecord(model) ?? {});
  parts.forEach((part, index) => {
    found.push(...partContradictions(part, ['models', index]));
    if (parts.findIndex(({ id }) => id === part.id) < index) {
      found.push({ path: ['models', index, 'id'], expected: 'each id once' });
    }
  });
  if ((ensemble === undefined) === (cascade === undefined)) {
    const received = ensemble === undefined ? 'neither' : 'both';
    found.push({ path: ['models'], expected: 'either ensemble or cascade beside models', received });
    return found;
  }
  if (ensemble !== undefined) found.push(...inEnsemble(definition, parts));
  if (Array.isArray(cascade))
    found.push(
      ...inCascade(
        definition,
        parts,
        cascade.map((stage) => asRecord(stage) ?? {}),
      ),
    );
  return found;
}

function inEnsemble(definition: Record<string, unknown>, parts: readonly Record<string, unknown>[]): Contradiction[] {
  const first = JSON.stringify(parts[0]?.labels);
  return [
    ...(definition.task === 'classification' ? [] : [{ path: ['task'], expected: 'classification for an ensemble' }]),
    ...parts.flatMap(({ task, labels }, index) => [
      ...(task === 'classification'
        ? []
        : [{ path: ['models', index, 'task'], expected: 'classification in an ensemble' }]),
      ...(JSON.stringify(labels) === first
        ? []
        : [{ path: ['models', index, 'labels'], expected: 'the same labels in all models of an ensemble' }]),
    ]),
  ];
}

function inCascade(
  definition: Record<string, unknown>,
  parts: readonly Record<string, unknown>[],
  stages: readonly Record<string, unknown>[],
): Contradiction[] {
  const found: Contradiction[] = [];
  const used = stages.map(({ model }) => parts.find(({ id }) => id === model));
  stages.forEach(({ model, only, turns }, index) => {
    const part = used[index];
    const at = ['cascade', index];
    if (typeof model === 'string' && part === undefined) {
      found.push({ path: [...at, 'model'], expected: `one of ${parts.map(({ id }) => String(id)).join(', ')}` });
      return;
    }
    if (used.indexOf(part) < index) found.push({ path: [...at, 'model'], expected: 'each model once' });
    const task = part?.task;
    if (index === 0 && task !== 'detection') {
      found.push({ path: [...at, 'model'], expected: 'a model of task detection in the first stage' });
    }
    if (index > 0 && task !== 'classification' && task !== 'embedding' && task !== 'text') {
      found.push({
        path: [...at, 'model'],
        expected: 'a model of task classification, embedding or text after the first',
      });
    }
    const turned = Object.keys(asRecord(turns) ?? {});
    const labels = part?.labels;
    if (turned.length > 0 && (task !== 'classification' || index === 0)) {
      found.push({ path: [...at, 'turns'], expected: 'it in a stage of task classification' });
    } else if (Array.isArray(labels) && turned.some((label) => !labels.includes(label))) {
      found.push({ path: [...at, 'turns'], expected: `labels of ${String(model)}: ${labels.join(', ')}` });
    }
    const objects = used[0]?.labels;
    if (
      Array.isArray(only) &&
      (index === 0 || (Array.isArray(objects) && only.some((label) => !objects.includes(label))))
    ) {
      found.push({ path: [...at, 'only'], expected: "labels of the first stage's model, in a later stage" });
    }
  });
  const unused = parts.filter((part) => !used.includes(part)).map(({ id }) => String(id));
  if (unused.length > 0) {
    found.push({
      path: ['cascade'],
      expected: 'a stage for each of the models',
      received: `none for ${unused.join(', ')}`,
    });
  }
  const last = used.at(-1)?.task;
  if (last !== undefined && definition.task !== last) {
    found.push({ path: ['task'], expected: `${String(last)}, which is the task of the last stage` });
  }
  return found;
}

/** Limits that no answer of the task can be held to. */
function limits(definition: Record<string, unknown>): Contradiction[] {
  const task: Task | undefined = taskSchema.safeParse(definition.task).data;
  const acceptance = asRecord(definition.acceptance);
  if (task === undefined || acceptance === undefined) return [];
  const lacks = [
    ...(truthKind({ task }) === 'nothing' ? ['minAccuracy'] : []),
    ...(TASK_OUTPUTS[task].hasConfidence ? [] : ['maxLowConfidenceRate']),
  ];
  return lacks
    .filter((key) => acceptance[key] !== undefined)
    .map((key) => ({ path: ['acceptance', key], expected: `no such limit: task ${task} cannot be judged by it` }));
}

/** Each variant has one file, or one per model. */
function files({ models, variants }: Record<string, unknown>): Contradiction[] {
  if (!Array.isArray(variants)) return [];
  const ids = Array.isArray(models) ? models.map((model: unknown) => asRecord(model)?.id) : undefined;
  return variants.flatMap((entry: unknown, index): Contradiction[] => {
    const variant = asRecord(entry);
    if (variant === undefined) return [];
    const at = ['variants', index];
    if (ids === undefined) {
      const single =
        variant.file === undefined ? [{ path: [...at, 'file'], expected: 'the path of the model file' }] : [];
      return variant.files === undefined
        ? single
        : [{ path: [...at, 'files'], expected: 'file, for there is one model' }];
    }
    if (variant.file !== undefined) {
      return [{ path: [...at, 'file'], expected: `files, with one path for each of ${ids.join(', ')}` }];
    }
    const given = Object.keys(asRecord(variant.files) ?? {});
    const fits = given.length === ids.length && ids.every((id) => given.includes(String(id)));
    return fits
      ? []
      : [
          {
            path: [...at, 'files'],
            expected: `one path for each of ${ids.join(', ')}`,
            received: given.length === 0 ? 'nothing' : given.join(', '),
          },
        ];
  });
}
