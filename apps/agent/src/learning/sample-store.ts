import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Identity } from '../identity/identity.ts';
import { writeDurably } from '../state/durable-file.ts';
import type { SealedBox } from '../state/sealed-box.ts';
import { learningBox } from './learning-box.ts';
import { type SampleCounts, SampleFolder } from './sample-folder.ts';

/** The one that serves and the one before: a release that is rolled back finds its samples again. */
const KEPT_BACKBONES = 2;
const INDEX_FILE = 'backbones.json';
/** Under the state directory. */
const SAMPLES_FOLDER = 'samples';

const backboneSchema = z.object({
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  features: z.int().positive(),
});
export type Backbone = z.infer<typeof backboneSchema>;

/** The newest first. */
const indexSchema = z.object({ version: z.literal(1), backbones: z.array(backboneSchema) });

/** Labelled samples, by the backbone whose features they are: another one's mean nothing to a head. */
export class SampleStore {
  readonly #path: string;
  readonly #most: number;
  readonly #box: SealedBox;
  #backbones: Backbone[] = [];

  /** @param most samples kept of each backbone */
  constructor(path: string, most: number, box: SealedBox) {
    this.#path = path;
    this.#most = most;
    this.#box = box;
  }

  /** @throws what the disk throws */
  async open(): Promise<void> {
    this.#backbones = await readIndex(this.#path);
  }

  /** The samples of a backbone that serves from now on; those of a backbone that served long ago are let go. */
  async use(backbone: Backbone): Promise<SampleFolder> {
    const others = this.#backbones.filter(({ digest }) => digest !== backbone.digest);
    if (this.#backbones[0]?.digest !== backbone.digest) {
      const kept = [backbone, ...others].slice(0, KEPT_BACKBONES);
      await mkdir(this.#path, { recursive: true, mode: 0o700 });
      await writeDurably(join(this.#path, INDEX_FILE), JSON.stringify({ version: 1, backbones: kept }));
      this.#backbones = kept;
      const names = new Set([INDEX_FILE, ...kept.map(({ digest }) => digest)]);
      for (const name of await readdir(this.#path)) {
        if (!names.has(name)) await rm(join(this.#path, name), { recursive: true, force: true });
      }
    }
    return this.#open(backbone);
  }

  /** What is kept, the newest backbone first. Changes nothing. */
  async count(): Promise<readonly (Backbone & SampleCounts)[]> {
    const counted: (Backbone & SampleCounts)[] = [];
    for (const backbone of this.#backbones) counted.push({ ...backbone, ...(await this.#open(backbone)).counts });
    return counted;
  }

  async #open(backbone: Backbone): Promise<SampleFolder> {
    const folder = new SampleFolder(join(this.#path, backbone.digest), backbone, this.#most, this.#box);
    await folder.open();
    return folder;
  }
}

/**
 * The samples of a device.
 * @param most samples kept of each backbone
 * @throws AgeError; what the disk throws
 */
export const openSampleStore = async (
  stateDirectory: string,
  { ageIdentity }: Pick<Identity, 'ageIdentity'>,
  most: number,
): Promise<SampleStore> => {
  const store = new SampleStore(join(stateDirectory, SAMPLES_FOLDER), most, learningBox(ageIdentity));
  await store.open();
  return store;
};

/** An index that is gone or damaged costs the samples of backbones that do not serve, and nothing else. */
const readIndex = async (path: string): Promise<Backbone[]> => {
  try {
    return indexSchema.parse(JSON.parse(await readFile(join(path, INDEX_FILE), 'utf8'))).backbones;
  } catch {
    return [];
  }
};
