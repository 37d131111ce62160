import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { generateAgeIdentity } from '@aviary/release';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isInMemory } from '../../apps/agent/src/update/memory-storage.ts';
import { attackedDevices } from './attacked-device.ts';

const { releaseOf, attacked } = attackedDevices();
const [first, second] = await Promise.all([releaseOf(1), releaseOf(2)]);

describe('stolen ciphertext', () => {
  /** As a misled board has it: what should be a place in memory lies on the card. */
  const { XDG_RUNTIME_DIR } = process.env;
  let card: string;
  beforeAll(async () => {
    card = await mkdtemp(join(import.meta.dirname, '../../node_modules/.card-'));
    if (await isInMemory(card)) throw new Error(`expected ${card} on a disk, it is in memory`);
  });
  afterEach(async () => {
    if (XDG_RUNTIME_DIR === undefined) delete process.env.XDG_RUNTIME_DIR;
    else process.env.XDG_RUNTIME_DIR = XDG_RUNTIME_DIR;
    await rm(card, { recursive: true, force: true });
  });

  /** All that whoever reads a folder finds in it, file by file. */
  const contentsOf = async (folder: string): Promise<Buffer[]> => {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    // One that is just being replaced is read under its new name the next time.
    const read = files.map((entry) => readFile(join(entry.parentPath, entry.name)).catch(() => Buffer.alloc(0)));
    return Promise.all(read);
  };

  it('is all that a card, a mirror and the network ever hold of a model', async () => {
    process.env.XDG_RUNTIME_DIR = card;
    const { device, plane, gateway, begin } = await attacked(first, { plaintextDirectory: undefined });
    await begin();
    await device.comesToServe(first);
    await device.takes(second);
    const told = gateway.published.map(({ payload }) => Buffer.from(payload));
    const held = [...(await contentsOf(device.stateDirectory)), ...(await contentsOf(card))];
    const seen = [...held, ...plane.blobs.values(), ...told].map((bytes) => Buffer.from(bytes));
    expect(seen.some((bytes) => bytes.equals(second.sealed))).toBe(true);
    for (const name of ['model.onnx', 'manifest.json']) {
      const plain = second.files.get(name);
      if (plain === undefined) throw new Error(`the release has no ${name}`);
      const middle = Buffer.from(plain).subarray(plain.length / 4, plain.length / 4 + 24);
      expect(seen.filter((bytes) => bytes.includes(middle))).toEqual([]);
    }
  });

  it('does not open on a board with another key, whoever assigns it', async () => {
    const { device, begin } = await attacked(first);
    await begin(generateAgeIdentity());
    await expect.poll(() => device.events).toContainEqual(expect.stringContaining('release-unservable'));
    device.published(second);
    device.isAssigned(second);
    await device.gaveUp('age-not-for-us');
    expect(device.served.filter((release) => release !== null)).toEqual([]);
  });
});
