import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DeviceFacts } from '@aviary/hardware';
import { MANIFEST_FILE, modelsOf, parseManifest } from '@aviary/release';
import type { Logger } from 'pino';
import type { ProvenSidecar } from '../inference/sidecar/find-sidecars.ts';
import { type PrepareModel, prepareModel } from '../inference/sidecar/prepare-model.ts';
import type { HeldRelease } from '../state/journal.ts';
import type { PreparedCache } from './prepared-cache.ts';

/** Below an opened release: goes when that goes, and lies in memory as it does. */
const FOLDER = '.prepared';
/** TensorRT tries many ways to run each layer; large models take a quarter of an hour on a small Jetson. */
const TIMEOUT_MS = 30 * 60_000;

export interface PreparationParts {
  readonly sidecars: readonly ProvenSidecar[];
  readonly cache: Pick<PreparedCache, 'open' | 'put'>;
  readonly facts: Pick<DeviceFacts, 'accelerators' | 'l4t' | 'runtimes'>;
  readonly maxMemoryMB?: number | undefined;
  readonly timeoutMs?: number;
  readonly log: Logger;
}

export interface PrepareOptions extends Pick<PrepareModel, 'signal' | 'onAlive'> {
  /** Called before something is built, and not taken from what was built before. */
  readonly onBuild?: (() => Promise<void>) | undefined;
}

/** Builds, on this device, what a runtime loads in the place of a release's models; once for each release and runtime. */
export class Preparation {
  readonly #parts: PreparationParts;
  /** One after the other: what was just built is found then. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: PreparationParts) {
    this.#parts = parts;
  }

  /** Whether a release cannot be loaded here as it was published. */
  isNeeded({ runtime, format }: HeldRelease): boolean {
    return this.#sidecarFor(runtime, format) !== undefined;
  }

  /**
   * What an opened release's models are loaded as: paths by the files of the archive; none where nothing has to be built.
   * @throws PrepareError; the signal's reason; what the disk throws
   */
  ready(folder: string, options: PrepareOptions = {}): Promise<Record<string, string>> {
    const result = this.#turn.then(() => this.#ready(folder, options));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #ready(folder: string, options: PrepareOptions): Promise<Record<string, string>> {
    const content = await readFile(join(folder, MANIFEST_FILE)).catch(() => undefined);
    if (content === undefined) return {};
    const manifest = parseManifest(content);
    const { runtime, format, precision } = manifest.variant;
    const sidecar = this.#sidecarFor(runtime, format);
    if (sidecar === undefined) return {};
    await mkdir(join(folder, FOLDER), { recursive: true, mode: 0o700 });
    const paths: Record<string, string> = {};
    for (const { file } of modelsOf(manifest)) {
      const model = join(folder, file);
      const key = await this.#keyOf(sidecar, model, format, precision);
      const path = join(folder, FOLDER, key);
      await this.#provide(sidecar, key, { file: model, format, precision, into: path }, options);
      paths[file] = path;
    }
    return paths;
  }

  async #provide(
    sidecar: ProvenSidecar,
    key: string,
    request: Pick<PrepareModel, 'file' | 'format' | 'precision' | 'into'>,
    { signal, onAlive, onBuild }: PrepareOptions,
  ): Promise<void> {
    const { cache, maxMemoryMB, timeoutMs = TIMEOUT_MS, log } = this.#parts;
    const { into } = request;
    if ((await stat(into).catch(() => undefined)) !== undefined) return;
    if (await cache.open(key, into)) return;
    await onBuild?.();
    const start = performance.now();
    const draft = `${into}.built`;
    try {
      await prepareModel({ sidecar, ...request, into: draft, timeoutMs, maxMemoryMB, signal, onAlive });
      await rename(draft, into);
    } finally {
      await rm(draft, { force: true });
    }
    log.info({ sidecar: sidecar.hello.name, seconds: Math.round((performance.now() - start) / 1000) }, 'prepared');
    try {
      await cache.put(key, into);
    } catch (error) {
      // A full disk: it serves all the same, and is built again after the next start.
      log.warn({ err: error }, 'what was prepared could not be kept');
    }
  }

  #sidecarFor(runtime: string | undefined, format: string | undefined): ProvenSidecar | undefined {
    return this.#parts.sidecars.find(
      ({ hello }) => hello.runtime === runtime && hello.prepares?.some((one) => one === format) === true,
    );
  }

  /** Digest of all that the result follows from. */
  async #keyOf({ hello }: ProvenSidecar, file: string, format: string, precision: string): Promise<string> {
    const { accelerators, l4t = null, runtimes } = this.#parts.facts;
    const model = createHash('sha256');
    for await (const piece of createReadStream(file)) model.update(piece);
    const from = {
      model: model.digest('hex'),
      format,
      precision,
      sidecar: hello.name,
      runtime: hello.runtime,
      version: hello.version,
      tensorrt: runtimes.find(({ name }) => name === 'tensorrt')?.version ?? null,
      computeCapability: accelerators.flatMap(({ computeCapability }) => computeCapability ?? []),
      l4t,
    };
    return createHash('sha256').update(JSON.stringify(from)).digest('hex');
  }
}
