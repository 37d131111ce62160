import { cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { RoundCandidate } from '@aviary/protocol';
import { type Lineage, type ModelDefinition, partsOf, type ReleaseTarget, versionSchema } from '@aviary/release';
import { parseDocument } from 'yaml';
import { UsageError } from '../command-line/usage-error.ts';
import { rebuildHeads } from './candidate-heads.ts';
import { expectFreeFolder, makeFolder } from './free-folder.ts';
import { readModelFolder } from './model-folder.ts';

const LINEAGE_FILE = 'lineage.json';

export interface CandidateOptions {
  /** Folder of which the base release was made. */
  readonly from: string;
  /** Of the candidate. */
  readonly version: string;
  /** The candidate's folder; made by this call. */
  readonly out: string;
  readonly candidate: RoundCandidate;
  /** Of the base release as it was published. */
  readonly targets: readonly ReleaseTarget[];
}

export interface CandidateFolder {
  readonly directory: string;
  readonly release: string;
  readonly lineage: Lineage;
  readonly updated: readonly string[];
  /** Variants without a head that could change: they answer as they did. */
  readonly unchanged: readonly string[];
}

const expectBase = ({ from, version, candidate }: CandidateOptions, definition: ModelDefinition): void => {
  const base = `${definition.name}@${definition.version}`;
  if (base !== candidate.release) {
    throw new UsageError(
      `Expected the folder of ${candidate.release}, which the round improved, for --from; ${from} is that of ${base}.`,
    );
  }
  if (definition.training === undefined) {
    throw new UsageError(`model.yaml in ${from} has no training. Give the folder of ${base} as it was pushed.`);
  }
  if (!versionSchema.safeParse(version).success) {
    throw new UsageError(`Expected a semantic version such as 1.3.0 for --version, got "${version}".`);
  }
  if (version === definition.version) {
    throw new UsageError(`Expected a new version for --version; ${version} is the one of the base.`);
  }
};

/** The base's model.yaml, comments and all, with what is new. */
const candidateYaml = (text: string, version: string): string => {
  const document = parseDocument(text);
  document.set('version', version);
  document.set('lineage', LINEAGE_FILE);
  // It counts up by itself; the base's own number would be refused.
  document.delete('releaseCounter');
  return document.toString({ lineWidth: 0 });
};

/**
 * Makes a candidate's folder of the base's: the same but for the heads, the version and the lineage. It is there as a
 * whole or not at all.
 * @throws UsageError, and what `rebuildHeads` throws
 */
export const buildCandidateFolder = async (options: CandidateOptions): Promise<CandidateFolder> => {
  const { from, version, candidate, targets } = options;
  const out = resolve(options.out);
  await expectFreeFolder(out);
  const { text, definition } = await readModelFolder(from);
  expectBase(options, definition);
  const variants = await rebuildHeads(from, definition, targets, candidate);
  const { aggregate } = candidate;
  const lineage: Lineage = {
    parent: candidate.release,
    round: candidate.round,
    updateSha256: aggregate.sha256,
    devices: aggregate.updates,
    samples: aggregate.samples,
  };
  await makeFolder(out, '.aviary-candidate', async (folder) => {
    await mkdir(folder);
    const copied = [
      definition.acceptance.samples,
      ...partsOf(definition).flatMap(({ labels }) => (typeof labels === 'string' ? [labels] : [])),
      ...variants.filter(({ bytes }) => bytes === undefined).map(({ file }) => file),
    ];
    for (const path of copied) await cp(join(from, path), join(folder, path), { recursive: true, dereference: true });
    for (const { file, bytes } of variants) {
      if (bytes === undefined) continue;
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), bytes);
    }
    await writeFile(join(folder, LINEAGE_FILE), `${JSON.stringify(lineage, null, 2)}\n`);
    await writeFile(join(folder, 'model.yaml'), candidateYaml(text, version));
  });
  return {
    directory: options.out,
    release: `${definition.name}@${version}`,
    lineage,
    updated: variants.filter(({ bytes }) => bytes !== undefined).map(({ variant }) => variant),
    unchanged: variants.filter(({ bytes }) => bytes === undefined).map(({ variant }) => variant),
  };
};
