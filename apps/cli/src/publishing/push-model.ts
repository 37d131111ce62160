import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { chooseVariant, type MatchableVariant, type Profile } from '@aviary/hardware';
import { ApiError, problemSchema, type TrustOutcome } from '@aviary/protocol';
import {
  type BuiltVariant,
  buildRelease,
  type ModelDefinition,
  type Signer,
  statementsIn,
  targetsOf,
  type VariantDefinition,
} from '@aviary/release';
import { UsageError } from '../command-line/usage-error.ts';
import { type Connection, everyItem, fetchOrExplain } from '../connection.ts';
import { ProgressBar } from '../render/progress-bar.ts';
import type { FleetRepository } from '../trust/fleet-repository.ts';
import { sendChange } from '../trust/signed-change.ts';
import { inspectModel } from './inspect-model.ts';
import { readModelFolder } from './model-folder.ts';
import { prepareTraining } from './prepare-training.ts';
import { loadProfiles } from './profiles.ts';
import { withScratchFolder } from './scratch-folder.ts';

/** Oldest agent that understands what this command builds. */
const MIN_AGENT = '0.1.0';

/** Whether a board of this profile, with the runtimes that the profile names, could run a variant. */
const runsOn = (profile: Profile, variant: MatchableVariant): boolean => {
  const { requires } = variant;
  const [arch] = profile.match.arch;
  if (arch === undefined) return false;
  // The most able board of the profile: what a particular one lacks is found out when it is chosen for.
  const facts = {
    agentVersion: MIN_AGENT,
    arch: profile.match.arch.find((name) => requires?.arch?.includes(name)) ?? arch,
    os: '',
    kernel: '',
    glibc: requires?.glibc,
    l4t: requires?.l4t,
    cpu: { model: '', cores: 1 },
    memoryMB: Number.MAX_SAFE_INTEGER,
    deviceTree: { model: '', compatible: [...(profile.soc ?? [])] },
    accelerators: profile.runtimes.flatMap(({ adapter }) =>
      adapter === undefined
        ? []
        : [
            {
              kind: adapter,
              vendor: '',
              model: '',
              bus: 'soc' as const,
              driver: '0',
              library: '0',
              computeCapability: profile.computeCapability ?? requires?.computeCapability,
            },
          ],
    ),
    runtimes: profile.runtimes.map(({ runtime }) => ({
      name: runtime,
      version:
        (runtime === 'tensorrt' ? requires?.tensorrt : runtime === 'hailort' ? requires?.hailort : undefined) ?? '0',
      providers: [],
    })),
  };
  return chooseVariant(facts, profile, [variant]).chosen !== null;
};

/** Which profiles each variant is for. @throws UsageError for a variant that is for none */
const findProfiles = async (definition: ModelDefinition): Promise<ReadonlyMap<string, readonly string[]>> => {
  const profiles = await loadProfiles();
  const found = new Map<string, readonly string[]>();
  for (const variant of definition.variants) {
    const fitting = profiles.filter((profile) => runsOn(profile, variant)).map(({ id }) => id);
    if (fitting.length === 0) {
      throw new UsageError(
        `No firmware profile can run variant "${variant.id}" (${variant.runtime}, ${variant.format}, ${variant.precision}). Take it out of model.yaml, or correct its runtime, format or precision; the profiles are in firmware-profiles/.`,
      );
    }
    found.set(variant.id, fitting);
  }
  return found;
};

const uploadBlob = async (connection: Connection, variant: BuiltVariant): Promise<void> => {
  const { target, payloadFile } = variant;
  const bar = new ProgressBar(`uploading ${target.variant}`, target.length);
  let sent = 0;
  const body = createReadStream(payloadFile, { highWaterMark: 256 * 1024 }).on('data', (chunk) => {
    sent += chunk.length;
    bar.update(sent);
  });
  const response = await fetchOrExplain(`${connection.baseUrl}/api/v1/blobs/${target.sha256}`, {
    method: 'PUT',
    headers: {
      authorization: connection.authorization,
      'content-type': 'application/octet-stream',
      'content-length': String(target.length),
    },
    body: Readable.toWeb(body) as ReadableStream,
    duplex: 'half',
  } as RequestInit);
  if (!response.ok) {
    const problem = problemSchema.safeParse(await response.json().catch(() => undefined));
    if (problem.success) throw new ApiError(problem.data);
    throw new Error(`The upload of ${target.variant} was answered with HTTP ${response.status}. Try again.`);
  }
  bar.end(`done, ${(target.length / 2 ** 20).toFixed(2)} MB`);
};

/** Who publishes, and what was published so far. */
export interface Publisher {
  readonly signer: Signer;
  readonly repository: FleetRepository;
}

export interface PushedRelease extends TrustOutcome {
  readonly release: string;
  readonly releaseCounter: number;
  /** As they were uploaded: sealed. */
  readonly variants: readonly { readonly id: string; readonly sha256: string; readonly length: number }[];
}

/**
 * Builds a release of a model's folder, signs and seals it, uploads it, and publishes it in the image repository. Nothing
 * stays here, and nothing of it counts at the control plane before the last step.
 */
export const pushModel = async (
  directory: string,
  { signer, repository }: Publisher,
  connection: Connection,
  say: (line: string) => void,
): Promise<PushedRelease> => {
  const { definition } = await readModelFolder(directory);
  const profiles = await findProfiles(definition);
  const { client } = connection;
  const [{ recipient }, releases] = await Promise.all([
    client.registryInfo({}),
    everyItem((cursor) => client.listReleases({ query: { model: definition.name, limit: 500, ...cursor } })),
  ]);
  const signed = [...statementsIn(repository.targets).values()].filter(({ release }) =>
    release.startsWith(`${definition.name}@`),
  );
  // What was revoked is known to the control plane only, and its counters and names are used up.
  const known = [...releases, ...signed];
  if (known.some(({ release }) => release === `${definition.name}@${definition.version}`)) {
    throw new UsageError(
      `${definition.name}@${definition.version} was pushed before, and a release never changes. Raise the version in model.yaml.`,
    );
  }
  const { runModel } = await import('./golden-outputs.ts');
  return withScratchFolder('aviary-push', async (outputDirectory) => {
    const built = await buildRelease({
      directory,
      definition,
      releaseCounter: definition.releaseCounter ?? highest(known, 'releaseCounter') + 1,
      rollbackFloor: definition.rollbackFloor ?? highest(signed, 'rollbackFloor'),
      minAgent: MIN_AGENT,
      now: Date.now(),
      signer,
      recipient,
      outputDirectory,
      inspectModel,
      profilesFor: ({ id }: VariantDefinition) => profiles.get(id) ?? [],
      runModel,
      prepareTraining,
      onProgress: ({ step, variant }) => {
        if (step === 'seal') say(`signing and sealing ${variant}`);
        if (step === 'training-skipped') say(`${variant} is not trainable: its head is quantised`);
      },
    });
    for (const variant of built.variants) await uploadBlob(connection, variant);
    const { release, releaseCounter } = built.statement;
    const outcome = await sendChange(connection, repository, {
      targets: {
        edit: (targets) => {
          for (const file of targetsOf(built.statement)) targets.set(file.path, file);
        },
        signers: [signer],
        variants: built.variants.map(({ target, ageHeader }) => ({
          path: target.path,
          ageHeader: ageHeader.toString('base64'),
        })),
      },
    });
    const variants = built.variants.map(({ target: { variant: id, sha256, length } }) => ({ id, sha256, length }));
    return { ...outcome, release, releaseCounter, variants };
  });
};

const highest = <Name extends string>(releases: readonly { readonly [N in Name]: number }[], name: Name): number =>
  Math.max(0, ...releases.map((release) => release[name]));
