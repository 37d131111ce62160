import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { chooseVariant, type MatchableVariant, type Profile } from '@aviary/hardware';
import { describeModel, readModel } from '@aviary/onnx';
import { ApiError, problemSchema, type ReleaseSummary } from '@aviary/protocol';
import { type BuiltVariant, buildRelease, type InspectModel, type ModelDefinition, type Signer } from '@aviary/release';
import { UsageError } from '../command-line/usage-error.ts';
import { type Connection, everyItem, fetchOrExplain } from '../connection.ts';
import { ProgressBar } from '../render/progress-bar.ts';
import { readModelFolder } from './model-folder.ts';
import { prepareTraining } from './prepare-training.ts';
import { loadProfiles } from './profiles.ts';
import { withScratchFolder } from './scratch-folder.ts';

/** Oldest agent that understands what this command builds. */
const MIN_AGENT = '0.1.0';

const inspectModel: InspectModel = ({ variant, bytes, labels }) => {
  if (variant.format !== 'onnx') return;
  const { outputs } = describeModel(readModel(bytes));
  const size = outputs[0]?.shape?.at(-1);
  if (typeof size === 'number' && size !== labels.length) {
    throw new UsageError(`expected an output of ${labels.length} values, one per label; ${variant.file} has ${size}`);
  }
};

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
    accelerators: profile.runtimes.flatMap(({ adapter }) =>
      adapter === undefined
        ? []
        : [
            {
              kind: adapter,
              vendor: '',
              model: '',
              bus: 'soc' as const,
              computeCapability: requires?.computeCapability,
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

const refuseUnusable = async (definition: ModelDefinition): Promise<void> => {
  const profiles = await loadProfiles();
  for (const variant of definition.variants) {
    if (profiles.some((profile) => runsOn(profile, variant))) continue;
    throw new UsageError(
      `No firmware profile can run variant "${variant.id}" (${variant.runtime}, ${variant.format}, ${variant.precision}). Take it out of model.yaml, or correct its runtime, format or precision; the profiles are in firmware-profiles/.`,
    );
  }
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

/**
 * Builds a release of a model's folder, signs and seals it, uploads it, and registers it. Nothing stays here, and
 * nothing of it counts at the control plane before the last step.
 */
export const pushModel = async (
  directory: string,
  signer: Signer,
  connection: Connection,
  say: (line: string) => void,
): Promise<ReleaseSummary> => {
  const { definition } = await readModelFolder(directory);
  await refuseUnusable(definition);
  const { client } = connection;
  const [{ recipient }, releases] = await Promise.all([
    client.registryInfo({}),
    everyItem((cursor) => client.listReleases({ query: { model: definition.name, limit: 500, ...cursor } })),
  ]);
  const last = releases[0];
  if (releases.some(({ version }) => version === definition.version)) {
    throw new UsageError(
      `${definition.name}@${definition.version} was pushed before, and a release never changes. Raise the version in model.yaml.`,
    );
  }
  const { runModel } = await import('./golden-outputs.ts');
  return withScratchFolder('aviary-push', async (outputDirectory) => {
    const built = await buildRelease({
      directory,
      definition,
      releaseCounter: definition.releaseCounter ?? (last?.releaseCounter ?? 0) + 1,
      rollbackFloor: definition.rollbackFloor ?? last?.rollbackFloor ?? 0,
      minAgent: MIN_AGENT,
      now: Date.now(),
      signer,
      recipient,
      outputDirectory,
      inspectModel,
      runModel,
      prepareTraining,
      onProgress: ({ step, variant }) => {
        if (step === 'seal') say(`signing and sealing ${variant}`);
        if (step === 'training-skipped') say(`${variant} is not trainable: its head is quantised`);
      },
    });
    for (const variant of built.variants) await uploadBlob(connection, variant);
    return client.publishRelease({
      body: {
        statement: built.envelope,
        variants: built.variants.map(({ target, ageHeader }) => ({
          id: target.variant,
          ageHeader: ageHeader.toString('base64'),
        })),
      },
    });
  });
};
