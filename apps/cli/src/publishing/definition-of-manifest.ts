import {
  ACCEPTANCE_FOLDER,
  LABELS_FILE,
  type ManifestModel,
  modelsOf,
  type ReleaseManifest,
  splitReleaseName,
} from '@aviary/release';
import { Document } from 'yaml';

/** Where the labels of the acceptance pictures are, beside them. */
export const SAMPLES_LIST = `${ACCEPTANCE_FOLDER}/labels.csv`;

/** A field of CSV (RFC 4180). */
const field = (text: string): string => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Keys that count for the model's task: what a manifest has beside them says nothing. */
const outputOf = ({ task, postprocessing }: Pick<ManifestModel, 'task' | 'postprocessing'>) =>
  task === 'embedding' || task === 'raw' ? {} : { output: postprocessing };

const modelsIn = (manifest: ReleaseManifest): Readonly<Record<string, unknown>> => {
  const { models, ensemble, cascade } = manifest;
  if (models === undefined) {
    const [only] = modelsOf(manifest);
    return {
      ...(only.labels.length === 0 ? {} : { labels: LABELS_FILE }),
      input: only.preprocessing,
      ...outputOf(only),
    };
  }
  return {
    models: models.map((model) => ({
      id: model.id,
      task: model.task,
      ...(model.labels.length === 0 ? {} : { labels: model.labels }),
      input: model.preprocessing,
      ...outputOf(model),
    })),
    ...(ensemble === undefined ? { cascade } : { ensemble }),
  };
};

const filesIn = ({ models, variant }: ReleaseManifest): Readonly<Record<string, unknown>> =>
  models === undefined
    ? { file: variant.file }
    : { files: Object.fromEntries(models.map(({ id, file }) => [id, file])) };

/**
 * What a release can be made of again that was pulled: its `model.yaml` with this one variant, and the list of its
 * acceptance pictures, neither of which is in a release. Who wrote it, and of what, is in its bill of materials.
 */
export const definitionOfManifest = (
  manifest: ReleaseManifest,
): { readonly yaml: string; readonly samples: string } => {
  const { model, version } = splitReleaseName(manifest.release);
  const { id, runtime, format, precision, providers } = manifest.variant;
  const { limits, samples, golden } = manifest.acceptance;
  const document = new Document({
    name: model,
    version,
    ...(manifest.description === undefined ? {} : { description: manifest.description }),
    task: manifest.task,
    ...modelsIn(manifest),
    variants: [
      { id, ...filesIn(manifest), runtime, format, precision, ...(providers === undefined ? {} : { providers }) },
    ],
    acceptance: {
      samples: ACCEPTANCE_FOLDER,
      ...limits,
      ...(golden.length === 0 ? {} : { goldenSamples: new Set(golden.map(({ file }) => file)).size }),
    },
  });
  document.commentBefore = ` Made of the manifest of ${manifest.release}, variant ${id}. Check every line. Where that release is published
 the version has to be raised. What the variant requires of a board, and whether devices may train it, is not in a
 manifest: see docs/model-yaml.md. Who made it, and of what, is in bom.cdx.json.`;
  const rows = samples.map(
    (sample) => `${field(sample.file.slice(ACCEPTANCE_FOLDER.length + 1))},${field(sample.label)}`,
  );
  return { yaml: document.toString({ lineWidth: 0 }), samples: `${['file,label', ...rows].join('\n')}\n` };
};
