import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Journal, type JournalState } from '../../apps/agent/src/state/journal.ts';
import { identity, type SealedRelease } from '../../apps/agent/src/testing/sealed-release.ts';
import { isInMemory } from '../../apps/agent/src/update/memory-storage.ts';

/** Folders of state that are removed in the end. */
export class StateFolders {
  readonly #made: string[] = [];

  async make(): Promise<string> {
    // In memory where that is: what is synced there costs nothing, and hundreds of devices sync a hundred times each.
    const parent = (await isInMemory('/dev/shm')) ? '/dev/shm' : tmpdir();
    const folder = await mkdtemp(join(parent, 'aviary-state-'));
    this.#made.push(folder);
    return folder;
  }

  async remove(): Promise<void> {
    for (const folder of this.#made.splice(0)) await rm(folder, { recursive: true, force: true });
  }
}

/** Fills a state directory as an agent leaves it that has these releases. */
export const prepareState = async (
  folder: string,
  journal: Partial<JournalState>,
  held: readonly SealedRelease[],
): Promise<void> => {
  await mkdir(join(folder, 'releases'));
  for (const { held: one, sealed } of held) await writeFile(join(folder, 'releases', one.sha256), sealed);
  await (await Journal.open(folder, identity)).update(() => journal);
};
