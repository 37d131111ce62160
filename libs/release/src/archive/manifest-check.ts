import { channelCount, type Preprocessing, TASK_OUTPUTS, type Task } from './processing.ts';
import { normalTruth, TRUTH_WORDS, truthKind } from './truth.ts';

/** What of a model is looked at. */
interface CheckedModel {
  readonly id?: string;
  readonly task: Task;
  readonly labels: readonly string[];
  readonly preprocessing?: Preprocessing | undefined;
  readonly postprocessing?: { readonly decoder?: string | undefined } | undefined;
}

interface CheckedManifest extends CheckedModel {
  readonly models?: readonly (CheckedModel & { readonly id: string })[] | undefined;
  readonly ensemble?: string | undefined;
  readonly cascade?:
    | readonly {
        readonly model: string;
        readonly turns?: Readonly<Record<string, number>> | undefined;
        readonly only?: readonly string[] | undefined;
      }[]
    | undefined;
  readonly training?: unknown;
  readonly acceptance: {
    readonly samples: readonly { readonly file: string; readonly label: string }[];
    readonly golden: readonly { readonly file: string; readonly model?: string | undefined }[];
  };
}

/** Something in a manifest that does not fit something else. */
export interface ManifestProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Contradictions between parts of a manifest. */
export function* checkManifest(manifest: CheckedManifest): Generator<ManifestProblem> {
  const { models } = manifest;
  if (models === undefined) {
    for (const key of ['preprocessing', 'postprocessing'] as const) {
      if (manifest[key] === undefined) yield { path: [key], message: 'expected it, for there are no models' };
    }
    if (manifest.ensemble !== undefined || manifest.cascade !== undefined) {
      yield { path: ['models'], message: 'expected models for an ensemble or a cascade' };
    }
    yield* modelProblems(manifest, []);
  } else {
    yield* together(manifest, models);
    for (const [index, model] of models.entries()) yield* modelProblems(model, ['models', index]);
  }
  yield* acceptanceProblems(manifest);
}

function* modelProblems(model: CheckedModel, place: readonly (string | number)[]): Generator<ManifestProblem> {
  const { task, labels, preprocessing, postprocessing } = model;
  for (const key of ['mean', 'std'] as const) {
    const channels = channelCount(preprocessing?.color ?? 'rgb');
    if (preprocessing !== undefined && preprocessing[key].length !== channels) {
      yield { path: [...place, 'preprocessing', key], message: `expected ${channels} values, one per channel` };
    }
  }
  if ((task === 'text' || task === 'raw') && preprocessing?.tiles !== undefined) {
    yield { path: [...place, 'preprocessing', 'tiles'], message: `expected none for task ${task}` };
  }
  const { minLabels } = TASK_OUTPUTS[task];
  if (minLabels === null ? labels.length > 0 : labels.length < minLabels) {
    yield { path: [...place, 'labels'], message: `expected ${minLabels ?? 'no'} labels or more for task ${task}` };
  }
  // A dictionary of characters may repeat itself: the model then has two numbers for one of them.
  if (task !== 'text' && new Set(labels).size !== labels.length) {
    yield { path: [...place, 'labels'], message: 'expected each label once' };
  }
  if (task === 'detection' && postprocessing !== undefined && postprocessing.decoder === undefined) {
    yield { path: [...place, 'postprocessing', 'decoder'], message: 'expected a decoder for task detection' };
  }
}

function* together(
  manifest: CheckedManifest,
  models: readonly (CheckedModel & { readonly id: string })[],
): Generator<ManifestProblem> {
  const { task, labels, ensemble, cascade } = manifest;
  if (manifest.preprocessing !== undefined || manifest.postprocessing !== undefined) {
    yield { path: ['preprocessing'], message: 'expected it in each of the models, and not beside them' };
  }
  if (manifest.training !== undefined)
    yield { path: ['training'], message: 'expected one model, for only that is trained' };
  const byId = new Map(models.map((model) => [model.id, model]));
  if (byId.size !== models.length) yield { path: ['models'], message: 'expected each id once' };
  if ((ensemble === undefined) === (cascade === undefined)) {
    yield { path: ['models'], message: 'expected either ensemble or cascade beside several models' };
    return;
  }
  if (cascade === undefined) {
    for (const [index, model] of models.entries()) {
      if (model.task !== 'classification' || task !== 'classification') {
        yield { path: ['models', index, 'task'], message: 'expected classification in an ensemble' };
      } else if (JSON.stringify(model.labels) !== JSON.stringify(labels)) {
        yield { path: ['models', index, 'labels'], message: 'expected the same labels in all models of an ensemble' };
      }
    }
    return;
  }
  const stages = cascade.map(({ model }) => byId.get(model));
  if (stages.includes(undefined) || stages.length !== models.length || new Set(stages).size !== models.length) {
    yield { path: ['cascade'], message: 'expected each of the models once' };
    return;
  }
  const [first, last] = [stages[0], stages.at(-1)];
  if (first?.task !== 'detection')
    yield { path: ['cascade', 0], message: 'expected task detection in the first stage' };
  if (last?.task !== task || JSON.stringify(last.labels) !== JSON.stringify(labels)) {
    yield { path: ['task'], message: 'expected task and labels of the last stage' };
  }
  for (const [index, { turns, only }] of cascade.entries()) {
    const stage = stages[index];
    if (index > 0 && (stage?.task === 'detection' || stage?.task === 'segmentation' || stage?.task === 'raw')) {
      yield { path: ['cascade', index], message: 'expected classification, embedding or text after the first stage' };
    }
    if (Object.keys(turns ?? {}).some((label) => !stage?.labels.includes(label))) {
      yield { path: ['cascade', index, 'turns'], message: "expected the stage's own labels" };
    }
    if (only?.some((label) => index === 0 || !first?.labels.includes(label))) {
      yield { path: ['cascade', index, 'only'], message: "expected the first stage's labels, in a later stage" };
    }
  }
}

function* acceptanceProblems(manifest: CheckedManifest): Generator<ManifestProblem> {
  const { samples, golden } = manifest.acceptance;
  const kind = truthKind(manifest);
  const files = new Set(samples.map(({ file }) => file));
  for (const [index, { label }] of samples.entries()) {
    if (normalTruth(kind, label, manifest.labels) !== label) {
      yield { path: ['acceptance', 'samples', index, 'label'], message: `expected ${TRUTH_WORDS[kind]}` };
    }
  }
  const ids = new Set(manifest.models?.map(({ id }) => id));
  for (const [index, { file, model }] of golden.entries()) {
    if (!files.has(file)) {
      yield { path: ['acceptance', 'golden', index, 'file'], message: 'expected the file of a sample' };
    }
    if (model === undefined ? ids.size > 0 : !ids.has(model)) {
      yield { path: ['acceptance', 'golden', index, 'model'], message: 'expected the id of one of the models' };
    }
  }
}
