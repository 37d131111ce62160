import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SimulationPlan } from '@aviary/protocol';
import { z } from 'zod';
import { enrolmentSchema, type Identity } from '../identity/identity.ts';
import { plainFiles } from '../identity/key-keeping.ts';
import { diskImageSchema } from './simulated-disk.ts';

/** What follows from these must stay as it is for devices that have joined. */
const markSchema = z.object({
  version: z.literal(1),
  seed: z.number(),
  profiles: z.record(z.string(), z.number()),
  labels: z.record(z.string(), z.array(z.string())),
});

const keptDeviceSchema = z.object({
  identity: z.object({
    ...enrolmentSchema.shape,
    key: z.string(),
    certificate: z.string(),
    fleetCa: z.string(),
    ageIdentity: z.string(),
  }),
  disk: diskImageSchema,
});

/** A device as it is kept between two runs. */
export interface KeptDevice {
  readonly identity: Identity;
  readonly disk: z.infer<typeof diskImageSchema>;
}

/** The state directory holds another fleet than the one that is asked for, or something else. */
export class FleetFolderError extends Error {
  readonly code = 'simulation-state-refused';
}

const MARK = 'simulation.json';

/** Devices of a simulation between two runs. Their files are not synced: it is a simulation that a power cut costs. */
export class FleetFolder {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Opens the folder, or makes it.
   * @returns the devices that are there, by number
   * @throws FleetFolderError
   */
  async open({ seed, profiles, labels }: SimulationPlan): Promise<Map<number, KeptDevice>> {
    const asked = { version: 1 as const, seed, profiles, labels };
    await mkdir(join(this.#path, 'devices'), { recursive: true, mode: 0o700 });
    const text = await readFile(join(this.#path, MARK), 'utf8').catch(() => undefined);
    if (text === undefined) {
      await this.#write(MARK, JSON.stringify(asked, null, 2));
      return new Map();
    }
    const found = markSchema.safeParse(parsed(text)).data;
    if (found === undefined) throw this.#refusal(`its ${MARK} is damaged`);
    for (const name of ['seed', 'profiles', 'labels'] as const) {
      const [there, wanted] = [JSON.stringify(found[name]), JSON.stringify(asked[name])];
      if (there !== wanted) throw this.#refusal(`it was made with other ${name}: ${there}, not ${wanted}`);
    }
    const devices = new Map<number, KeptDevice>();
    for (const name of await readdir(join(this.#path, 'devices'))) {
      const [, digits] = /^(\d+)\.json$/.exec(name) ?? [];
      if (digits === undefined) continue;
      const kept = keptDeviceSchema.safeParse(parsed(await readFile(join(this.#path, 'devices', name), 'utf8')));
      if (!kept.success) throw this.#refusal(`devices/${name} is damaged`);
      const { identity, disk } = kept.data;
      devices.set(Number(digits), { identity: { ...identity, keeping: plainFiles }, disk });
    }
    return devices;
  }

  async keep(device: number, { identity, disk }: KeptDevice): Promise<void> {
    const { keeping: _, ...rest } = identity;
    await this.#write(join('devices', `${device}.json`), JSON.stringify({ identity: rest, disk }));
  }

  async #write(name: string, text: string): Promise<void> {
    const path = join(this.#path, name);
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  #refusal(why: string): FleetFolderError {
    return new FleetFolderError(
      `The devices in ${this.#path} cannot go on: ${why}. Run it as before, or name another folder with --state.`,
    );
  }
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
