import { InferenceSession, listSupportedBackends, Tensor } from 'onnxruntime-node';
import { FrameError, WorkerStartError } from '../errors.ts';
import type { EffectiveProvider } from '../worker-handle.ts';
import type { ModelInput, ModelSession, Run } from './model-session.ts';
import { runAtOnce } from './run-at-once.ts';

export interface SessionOptions {
  readonly modelFile: string;
  /** Best first; `cpu` takes every model, so it ends the list even when it is not named. */
  readonly providers: readonly string[];
  readonly intraOpThreads: number;
  /** It profiles, and writes that to paths that begin so. */
  readonly profilePrefix?: string | undefined;
}

/**
 * Opens the model with the first provider that really takes it. Providers are tried one by one, because ORT drops a name
 * that its binding does not know in silence as soon as another one is beside it, and throws where a provider's library is missing.
 *
 * `effective` is a fact and no guess: a session with fallback to the CPU forbidden is made first, and where that works
 * every operator runs on the provider. Where it works only with fallback, at least one operator runs on the CPU and the
 * effective provider says so, e.g. `cuda+cpu`.
 *
 * @throws WorkerStartError `worker-start-failed` when not even the CPU takes the model, with ORT's own words.
 */
export async function openSession(options: SessionOptions): Promise<OnnxSession> {
  const known = listSupportedBackends().map((backend) => backend.name);
  const rejected: { provider: string; reason: string }[] = [];
  const cpu = options.providers.indexOf('cpu');
  for (const provider of [...(cpu < 0 ? options.providers : options.providers.slice(0, cpu)), 'cpu']) {
    if (!known.includes(provider)) {
      rejected.push({ provider, reason: `this build of ONNX Runtime does not have it (it has ${known.join(', ')})` });
      continue;
    }
    try {
      const { session, effective, profilePrefix } = await openWith(provider, options);
      return new OnnxSession(session, { requested: options.providers, effective, rejected }, profilePrefix);
    } catch (error) {
      rejected.push({ provider, reason: firstLine(error) });
    }
  }
  throw new WorkerStartError(
    'worker-start-failed',
    `no execution provider takes this model: ${rejected.map((one) => `${one.provider}: ${one.reason}`).join('; ')}`,
  );
}

async function openWith(
  provider: string,
  options: SessionOptions,
): Promise<{ session: InferenceSession; effective: string; profilePrefix: string | undefined }> {
  // A session that could not be opened may have left its file.
  const profilePrefix = options.profilePrefix && `${options.profilePrefix}-${provider}`;
  const common: InferenceSession.SessionOptions = {
    executionProviders: [provider],
    intraOpNumThreads: options.intraOpThreads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    ...(profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: profilePrefix }),
  };
  const open = (more: InferenceSession.SessionOptions) =>
    InferenceSession.create(options.modelFile, { ...common, ...more });
  if (provider === 'cpu') return { session: await open({}), effective: provider, profilePrefix };
  try {
    const alone = profilePrefix && `${profilePrefix}-alone`;
    const session = await open({
      extra: { session: { disable_cpu_ep_fallback: '1' } },
      ...(alone === undefined ? {} : { profileFilePrefix: alone }),
    });
    return { session, effective: provider, profilePrefix: alone };
  } catch {
    return { session: await open({}), effective: `${provider}+cpu`, profilePrefix };
  }
}

/** A model in ONNX Runtime, in this very process. */
export class OnnxSession implements ModelSession {
  readonly provider: EffectiveProvider;
  readonly isCompiled = false;
  readonly #session: InferenceSession;

  /** Of the path of what it writes when it profiles; undefined: it does not. */
  readonly #profilePrefix: string | undefined;

  constructor(session: InferenceSession, provider: EffectiveProvider, profilePrefix: string | undefined) {
    this.#session = session;
    this.provider = provider;
    this.#profilePrefix = profilePrefix;
  }

  get inputs(): readonly ModelInput[] {
    return this.#session.inputMetadata.map((input) =>
      input.isTensor ? input : { name: input.name, isTensor: false, type: 'no tensor', shape: [] },
    );
  }

  get outputNames(): readonly string[] {
    return this.#session.outputNames;
  }

  runOn(input: string, values: Float32Array, shape: readonly number[]): Run {
    const feeds = { [input]: new Tensor('float32', values, shape) };
    return async (wanted) => {
      try {
        return await runAtOnce(this.#session, feeds, wanted);
      } catch (error) {
        throw new FrameError('frame-failed', `ONNX Runtime: ${error instanceof Error ? error.message : String(error)}`);
      }
    };
  }

  async ping(): Promise<void> {}

  /** Ends the profiling of a session that was opened for it. @returns the beginning of the path of what it wrote */
  endProfiling(): string {
    if (this.#profilePrefix === undefined) throw new TypeError('expected a session that profiles');
    this.#session.endProfiling();
    return this.#profilePrefix;
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (text.split('\n')[0] ?? '').slice(0, 300);
}
