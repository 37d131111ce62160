import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isArchivePath } from '../archive/manifest.ts';
import { TASK_OUTPUTS } from '../archive/processing.ts';
import { normalTruth, TRUTH_WORDS, type TruthKind, truthKind } from '../archive/truth.ts';
import { type Lineage, lineageSchema } from '../documents/release-statement.ts';
import { splitReleaseName } from '../release-name.ts';
import { answeringPart, fileOf, type ModelDefinition, type NamedModelPart, partsOf } from './model-definition.ts';
import { type Provenance, readProvenance } from './provenance.ts';
import { ReleaseBuildError } from './release-build-error.ts';

/** A picture of the acceptance suite; `file` is relative to its folder. */
export interface Sample {
  readonly file: string;
  /** What the release is to answer, as a frame's answer would say it. */
  readonly label: string;
  readonly bytes: Buffer;
}

/** Everything a definition names, read into memory. */
export interface ReleaseSource {
  /** Of each model, by its id. */
  readonly labels: ReadonlyMap<string, readonly string[]>;
  /** Those that the release answers with. */
  readonly answers: readonly string[];
  readonly samples: readonly Sample[];
  /** Bytes of each model file, by its path. */
  readonly models: ReadonlyMap<string, Buffer>;
  readonly lineage?: Lineage;
  readonly provenance?: Provenance;
}

const SAMPLES_LIST = 'labels.csv';

/**
 * Reads labels, samples, model files, lineage and provenance from the folder of `model.yaml`.
 * @throws ReleaseBuildError `files-missing` (all of them at once), `labels-invalid`, `samples-invalid`, `lineage-invalid`,
 * `provenance-invalid`, `provenance-unstated`.
 */
export async function readReleaseSource(directory: string, definition: ModelDefinition): Promise<ReleaseSource> {
  const { samples: folder } = definition.acceptance;
  const list = `${folder}/${SAMPLES_LIST}`;
  const parts = partsOf(definition);
  const modelFiles = definition.variants.flatMap((variant) => parts.map(({ id }) => fileOf(variant, id)));
  const named = [
    ...parts.flatMap((part) => (typeof part.labels === 'string' ? [part.labels] : [])),
    ...modelFiles,
    list,
    ...(definition.lineage === undefined ? [] : [definition.lineage]),
  ];
  await expectFiles(directory, named);
  const labels = new Map<string, readonly string[]>();
  for (const part of parts) labels.set(part.id, await labelsOf(directory, part));
  const answers = labels.get(answeringPart(definition)) ?? [];
  const rows = parseSamples(await readText(directory, list), list, truthKind(definition), answers);
  await expectFiles(
    directory,
    rows.map((row) => `${folder}/${row.file}`),
  );
  const samples: Sample[] = [];
  for (const row of rows) samples.push({ ...row, bytes: await readFile(join(directory, folder, row.file)) });
  const models = new Map<string, Buffer>();
  for (const file of new Set(modelFiles)) models.set(file, await readFile(join(directory, file)));
  const provenance = await readProvenance(directory, definition);
  return {
    labels,
    answers,
    samples,
    models,
    ...(provenance === undefined ? {} : { provenance }),
    ...(definition.lineage === undefined
      ? {}
      : { lineage: parseLineage(await readFile(join(directory, definition.lineage)), definition) }),
  };
}

/** Bytes of a model file, by its path. @throws ReleaseBuildError `files-missing` */
export function modelOf({ models }: Pick<ReleaseSource, 'models'>, file: string): Buffer {
  const bytes = models.get(file);
  if (bytes === undefined) throw new ReleaseBuildError('files-missing', `${file} was not read`);
  return bytes;
}

/** JSON, as a candidate's folder has it. Its parent is a release of the same model. */
function parseLineage(bytes: Buffer, { name, lineage: file = 'lineage' }: ModelDefinition): Lineage {
  let content: unknown;
  try {
    content = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new ReleaseBuildError('lineage-invalid', `${file}: expected JSON`, { cause });
  }
  const parsed = lineageSchema.safeParse(content);
  if (!parsed.success) {
    throw new ReleaseBuildError('lineage-invalid', `${file} is invalid: ${z.prettifyError(parsed.error)}`);
  }
  const { parent } = parsed.data;
  if (splitReleaseName(parent).model !== name) {
    throw new ReleaseBuildError('lineage-invalid', `${file}, parent: expected a release of ${name}, got ${parent}`);
  }
  return parsed.data;
}

async function expectFiles(directory: string, files: readonly string[]): Promise<void> {
  const missing: string[] = [];
  for (const file of new Set(files)) {
    const found = await stat(join(directory, file)).catch(() => undefined);
    if (!found?.isFile()) missing.push(found ? `${file} (not a file)` : file);
  }
  if (missing.length > 0) {
    throw new ReleaseBuildError(
      'files-missing',
      `model.yaml names files that are not in ${directory}: ${missing.slice(0, 20).join(', ')}${missing.length > 20 ? ` and ${missing.length - 20} more` : ''}`,
    );
  }
}

async function readText(directory: string, file: string): Promise<string> {
  const bytes = await readFile(join(directory, file));
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ReleaseBuildError('labels-invalid', `${file}: expected text in UTF-8`, { cause });
  }
}

async function labelsOf(directory: string, { labels, task }: NamedModelPart): Promise<readonly string[]> {
  if (typeof labels !== 'string') return labels;
  const text = await readText(directory, labels);
  return task === 'text' ? parseDictionary(text, labels) : parseLabels(text, labels, TASK_OUTPUTS[task].minLabels ?? 0);
}

/** One character per line, as it stands there: a dictionary may have a blank of some kind among its characters. */
function parseDictionary(text: string, file: string): string[] {
  const lines = text.replace(/(\r?\n)+$/, '').split(/\r?\n/);
  const empty = lines.indexOf('');
  if (empty >= 0) {
    throw new ReleaseBuildError('labels-invalid', `${file}, line ${empty + 1}: expected a character, got nothing`);
  }
  return lines;
}

/** One label per line; blank lines at the end do not count. */
function parseLabels(text: string, file: string, least: number): string[] {
  const labels = text
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => line.trim());
  labels.forEach((label, index) => {
    if (label === '')
      throw new ReleaseBuildError('labels-invalid', `${file}, line ${index + 1}: expected a label, got nothing`);
    if (labels.indexOf(label) < index) {
      throw new ReleaseBuildError('labels-invalid', `${file}, line ${index + 1}: "${label}" is there twice`);
    }
  });
  if (labels.length < least)
    throw new ReleaseBuildError(
      'labels-invalid',
      `${file}: expected at least ${least} ${least === 1 ? 'label' : 'labels'}, one per line`,
    );
  return labels;
}

/** CSV (RFC 4180) with the header `file,label`. */
function parseSamples(
  text: string,
  list: string,
  kind: TruthKind,
  labels: readonly string[],
): { file: string; label: string }[] {
  const problem = (line: number, what: string) =>
    new ReleaseBuildError('samples-invalid', `${list}, line ${line}: ${what}`);
  const [header = '', ...lines] = text.trimEnd().split(/\r?\n/);
  if (header.trim() !== 'file,label') throw problem(1, `expected the header file,label, got ${JSON.stringify(header)}`);
  const files = new Set<string>();
  const rows = lines.map((line, index) => {
    const fields = line.match(/^(?:"((?:[^"]|"")*)"|([^",]*)),(?:"((?:[^"]|"")*)"|([^",]*))$/);
    const file = fields?.[1]?.replaceAll('""', '"') ?? fields?.[2] ?? '';
    const label = fields?.[3]?.replaceAll('""', '"') ?? fields?.[4] ?? '';
    const number = index + 2;
    if (!fields) throw problem(number, `expected file,label, got ${JSON.stringify(line)}`);
    if (!isArchivePath(file) || file.length > 200)
      throw problem(number, `expected a file in the folder, got ${JSON.stringify(file)}`);
    if (files.has(file)) throw problem(number, `${file} is there twice`);
    const truth = normalTruth(kind, label, labels);
    if (truth === undefined) throw problem(number, `expected ${TRUTH_WORDS[kind]}, got ${JSON.stringify(label)}`);
    files.add(file);
    return { file, label: truth };
  });
  if (rows.length === 0) throw problem(1, 'expected at least one sample under the header');
  return rows;
}
