import { link, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { assignedRelease, heldRelease } from '../testing/releases.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { Journal, peekJournal, withOutcome } from './journal.ts';

const makeFolder = temporaryFolders();
const owner = { deviceId: 'd-one', epoch: 1 };
const a = heldRelease('a');
const b = heldRelease('b');

/** A folder whose journal has `a` committed before, `b` now. */
const twoChanges = async (): Promise<{ folder: string; path: string }> => {
  const folder = await makeFolder();
  const journal = await Journal.open(folder, owner);
  await journal.update(() => ({ committed: a, sequence: 1, rollbackFloor: 3 }));
  await journal.update(() => ({ committed: b, sequence: 2 }));
  return { folder, path: join(folder, 'journal.json') };
};

describe('the journal', () => {
  it('begins empty, and writes nothing until there is something to say', async () => {
    const folder = await makeFolder();
    const journal = await Journal.open(folder, owner);
    expect(journal.state).toMatchObject({ ...owner, sequence: 0, committed: null, candidate: null, notices: [] });
    expect(journal.damage).toBeUndefined();
    expect(await journal.update(() => undefined)).toBe(false);
    expect(await readdir(folder)).toEqual([]);
    expect(await peekJournal(folder)).toBeUndefined();
  });

  it('is found again as it was left', async () => {
    const { folder } = await twoChanges();
    const journal = await Journal.open(folder, owner);
    expect(journal.state).toMatchObject({ committed: b, sequence: 2, rollbackFloor: 3 });
    expect(await peekJournal(folder)).toEqual(journal.state);
    expect((await readdir(folder)).sort()).toEqual(['journal.json', 'journal.last.json']);
  });

  it('goes back by one change when it was cut at any length, and says so', async () => {
    const { folder, path } = await twoChanges();
    const whole = await readFile(path);
    const last = await readFile(join(folder, 'journal.last.json'));
    for (let length = 0; length < whole.length; length += 1) {
      await writeFile(path, whole.subarray(0, length));
      await writeFile(join(folder, 'journal.last.json'), last);
      const journal = await Journal.open(folder, owner);
      expect(journal.state, `cut after ${length} bytes`).toMatchObject({ committed: a, sequence: 1, rollbackFloor: 3 });
      expect(journal.damage).toEqual(expect.any(String));
      expect(await readFile(`${path}.damaged`)).toEqual(whole.subarray(0, length));
    }
  });

  it('is not moved by a draft that a power cut left', async () => {
    const { folder, path } = await twoChanges();
    await writeFile(`${path}.new`, '{"version":1,');
    const journal = await Journal.open(folder, owner);
    expect(journal.state.committed).toEqual(b);
    expect(journal.damage).toBeUndefined();
    await journal.update(() => ({ sequence: 3 }));
    expect((await Journal.open(folder, owner)).state.sequence).toBe(3);
  });

  it.each([
    ['no JSON', 'gibberish'],
    ['another version', JSON.stringify({ version: 2 })],
    ['a field of another kind', undefined],
  ])('puts content aside that is damaged: %s', async (_, content) => {
    const { folder, path } = await twoChanges();
    const damaged = content ?? (await readFile(path, 'utf8')).replace('"sequence":2', '"sequence":-2');
    await writeFile(path, damaged);
    expect(await peekJournal(folder)).toBeUndefined();
    const journal = await Journal.open(folder, owner);
    expect(journal.damage).toEqual(expect.any(String));
    expect(journal.state.committed).toEqual(a);
    expect(await readFile(`${path}.damaged`, 'utf8')).toBe(damaged);
  });

  it('begins anew when both copies are damaged', async () => {
    const { folder, path } = await twoChanges();
    await truncate(path, 10);
    await truncate(join(folder, 'journal.last.json'), 10);
    const journal = await Journal.open(folder, owner);
    expect(journal.state).toMatchObject({ sequence: 0, committed: null });
    expect(journal.damage).toEqual(expect.any(String));
  });

  it('never is without a whole copy on the disk, also while it recovers from damage', async () => {
    const { folder, path } = await twoChanges();
    await truncate(path, 10);
    const journal = await Journal.open(folder, owner);
    // The disk takes nothing: what a power cut in the middle of the change would leave.
    await symlink('/dev/full', `${path}.new`);
    await expect(journal.update(() => ({ sequence: 7 }))).rejects.toMatchObject({ code: 'ENOSPC' });
    expect((await Journal.open(folder, owner)).state).toMatchObject({ committed: a, sequence: 1, rollbackFloor: 3 });
  });

  it('stays as it was when the disk is full, and goes on when it is not any more', async () => {
    const { folder, path } = await twoChanges();
    const journal = await Journal.open(folder, owner);
    await symlink('/dev/full', `${path}.new`);
    for (const _ of [1, 2]) {
      await expect(journal.update(() => ({ sequence: 9 }))).rejects.toMatchObject({ code: 'ENOSPC' });
    }
    expect(journal.state.sequence).toBe(2);
    expect((await Journal.open(folder, owner)).state.sequence).toBe(2);
    await rm(`${path}.new`);
    await journal.update(() => ({ sequence: 3 }));
    expect((await Journal.open(folder, owner)).state.sequence).toBe(3);
    expect(JSON.parse(await readFile(join(folder, 'journal.last.json'), 'utf8'))).toMatchObject({ sequence: 2 });
  });

  it('makes changes that are asked for together one after the other', async () => {
    const folder = await makeFolder();
    const journal = await Journal.open(folder, owner);
    const changes = Array.from({ length: 20 }, () => journal.update(({ session }) => ({ session: session + 1 })));
    expect(await Promise.all(changes)).toEqual(changes.map(() => true));
    expect((await Journal.open(folder, owner)).state.session).toBe(20);
  });

  it('lets one change fail without the next', async () => {
    const folder = await makeFolder();
    const journal = await Journal.open(folder, owner);
    const failing = journal.update(() => {
      throw new Error('undecided');
    });
    const next = journal.update(() => ({ session: 1 }));
    await expect(failing).rejects.toThrow('undecided');
    expect(await next).toBe(true);
  });

  it('shows a change only when it is on disk', async () => {
    const { folder } = await twoChanges();
    const journal = await Journal.open(folder, owner);
    const change = journal.update(() => ({ sequence: 5 }));
    expect(journal.state.sequence).toBe(2);
    await change;
    expect(journal.state.sequence).toBe(5);
  });

  it('takes a copy that is left over from a change that was cut', async () => {
    const { folder, path } = await twoChanges();
    await rm(join(folder, 'journal.last.json'));
    await link(path, join(folder, 'journal.last.json.new'));
    const journal = await Journal.open(folder, owner);
    await journal.update(() => ({ sequence: 3 }));
    expect(JSON.parse(await readFile(join(folder, 'journal.last.json'), 'utf8'))).toMatchObject({ sequence: 2 });
  });

  it('keeps the releases of a device that joined anew under its name, and begins its sequences afresh', async () => {
    const { folder } = await twoChanges();
    const first = await Journal.open(folder, owner);
    const release = assignedRelease('c', 'e1');
    await first.update(() => ({
      candidate: { release, stage: 'fetched', probationStarts: 0, allowedUntil: 9_000 },
      notices: [{ executionId: 'e0', state: 'SUCCEEDED' }],
    }));
    const { state } = await Journal.open(folder, { deviceId: 'd-one', epoch: 2 });
    expect(state).toMatchObject({
      epoch: 2,
      sequence: 0,
      candidate: null,
      notices: [],
      committed: b,
      rollbackFloor: 3,
    });
  });

  it('of a device that lost its age identity holds no release that it cannot open, and the floor', async () => {
    const { folder } = await twoChanges();
    const journal = await Journal.open(folder, owner);
    await journal.update(() => ({ endedExecutions: ['x-1'], quarantined: ['q'], timeFloor: 5, session: 4 }));
    const kept = await Journal.open(folder, { ...owner, epoch: 2, ageSince: 1 });
    expect(kept.state).toMatchObject({ committed: journal.state.committed, endedExecutions: ['x-1'] });
    const { state } = await Journal.open(folder, { ...owner, epoch: 2, ageSince: 2 });
    expect(state).toMatchObject({ epoch: 2, sequence: 0, committed: null, previous: null, candidate: null });
    expect(state).toMatchObject({ endedExecutions: [], quarantined: [] });
    expect(state).toMatchObject({ rollbackFloor: journal.state.rollbackFloor, timeFloor: 5, session: 4 });
    expect(state.rollbackFloor).toBeGreaterThan(0);
  });

  it('keeps nothing of another device', async () => {
    const { folder } = await twoChanges();
    const { state } = await Journal.open(folder, { deviceId: 'd-two', epoch: 1 });
    expect(state).toMatchObject({ deviceId: 'd-two', sequence: 0, committed: null, previous: null, rollbackFloor: 0 });
  });
});

describe('the list of ended executions', () => {
  it('holds each once, the newest last, and fifty at most', async () => {
    const endedAfter = async (endedExecutions: string[], executionId: string) => {
      const journal = await Journal.open(await makeFolder(), owner);
      await journal.update(() => ({ endedExecutions }));
      await journal.update((state) => withOutcome(state, { executionId, state: 'SUCCEEDED' }));
      return journal.state.endedExecutions;
    };
    expect(await endedAfter(['e1', 'e2'], 'e1')).toEqual(['e2', 'e1']);
    const many = Array.from({ length: 50 }, (_, i) => `e${i}`);
    expect(await endedAfter(many, 'new')).toEqual([...many.slice(1), 'new']);
  });
});
