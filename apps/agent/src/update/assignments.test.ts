import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiError, type AssignmentResponse } from '@aviary/protocol';
import { type Assignment, signAssignment } from '@aviary/release';
import type { RepositorySimulator } from '@aviary/release/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import type { DeviceApi } from '../link/device-api.ts';
import { Journal, type JournalState } from '../state/journal.ts';
import { heldRelease } from '../testing/releases.ts';
import { repositoryApi } from '../testing/repository-api.ts';
import {
  director,
  identity,
  newRepository,
  type SealedRelease,
  sealRelease,
  stranger,
} from '../testing/sealed-release.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { FleetTrust } from '../trust/fleet-trust.ts';
import { Assignments } from './assignments.ts';

const makeFolder = temporaryFolders();
const HOUR = 3_600_000;
let release: SealedRelease;
beforeAll(async () => {
  release = await sealRelease('a@1.0.0', { releaseCounter: 5, rollbackFloor: 2 });
});

const assignmentOf = ({ statement, held }: SealedRelease, change: Partial<Assignment> = {}): Assignment => ({
  deviceId: 'd-one',
  epoch: 1,
  sequence: 1,
  issuedAt: Date.now() - 1_000,
  expires: Date.now() + HOUR,
  release: statement.release,
  releaseCounter: statement.releaseCounter,
  targetPath: statement.targets[0]?.path ?? '',
  variant: 'onnx-fp32',
  ageHeader: held.ageHeader,
  rolloutId: 'r1',
  executionId: 'e1',
  probation: { seconds: 60, minFrames: 10, maxErrorRate: 0.1, maxLowConfidenceRate: 0.5, maxP95Ratio: 3 },
  ...change,
});

const answerOf = (sealed: SealedRelease, change: Partial<Assignment> = {}, signer = director): AssignmentResponse => ({
  assignment: signAssignment(assignmentOf(sealed, change), [signer]),
});

interface Fleet {
  readonly state?: Partial<JournalState>;
  readonly repository?: RepositorySimulator;
  readonly profile?: string | null;
}

/** A device whose control plane answers so, and whose publisher has published `release`. */
const start = async ({ state = {}, repository = newRepository(), profile = 'rpi4' }: Fleet = {}) => {
  const folder = await makeFolder();
  if (repository.edition.releases.length === 0) repository.publish({ releases: [release.statement] });
  const journal = await Journal.open(folder, { deviceId: 'd-one', epoch: 1 });
  if (Object.keys(state).length > 0) await journal.update(() => state);
  const plane: { answer: AssignmentResponse | Error } = { answer: new Error('unreachable') };
  const api = {
    call: async () => {
      if (plane.answer instanceof Error) throw plane.answer;
      return plane.answer;
    },
  } as Pick<DeviceApi, 'call'>;
  const news: string[] = [];
  const trust = new FleetTrust(
    { metadata: join(folder, 'trust'), patienceMs: 30_000 },
    identity,
    repositoryApi(repository),
    journal,
    () => news.push('news'),
  );
  const assignments = new Assignments(api, trust, identity, profile, journal);
  const look = (answer: AssignmentResponse | Error) => {
    plane.answer = answer;
    return assignments.look();
  };
  return { folder, journal, look, repository, assignments, news };
};

describe('an assignment', () => {
  it('is taken into the journal, whole, and told once', async () => {
    const { journal, look } = await start();
    const answer = answerOf(release);
    const finding = await look(answer);
    const taken = {
      ...release.held,
      runtime: 'onnxruntime',
      format: 'onnx',
      executionId: 'e1',
      probation: assignmentOf(release).probation,
    };
    expect(finding).toEqual({ found: 'assigned', release: taken });
    expect(journal.state).toMatchObject({
      sequence: 1,
      candidate: { release: taken, stage: 'assigned', probationStarts: 0, allowedUntil: expect.any(Number) },
    });
    expect(await look(answer)).toEqual({ found: 'same' });
    expect(await look(answer)).toEqual({ found: 'same' });
  });

  it('is taken with the terms on which it may be switched to', async () => {
    const { journal, look } = await start();
    const terms = {
      mode: 'soft',
      window: { cron: '0 2 * * *', duration: 10_800, zone: 'device' },
      forceAt: 1,
    } as const;
    await look(answerOf(release, { terms }));
    expect(journal.state.candidate?.release.terms).toEqual(terms);
  });

  it.each([
    ['what runs', 'committed', true],
    ['what is staged', 'staged', true],
    ['something else', null, false],
  ] as const)('of %s leaves what is staged there, or not', async (_, is, kept) => {
    const other = heldRelease('z');
    const { journal, look } = await start({ state: { staged: other, ...(is === null ? {} : { [is]: release.held }) } });
    await look(answerOf(release));
    expect(journal.state.staged?.digest).toBe(
      kept ? (is === 'staged' ? release.held.digest : other.digest) : undefined,
    );
  });

  it('takes the place of the one before', async () => {
    const { journal, look } = await start();
    await look(answerOf(release));
    expect(await look(answerOf(release, { sequence: 4, executionId: 'e2' }))).toMatchObject({ found: 'assigned' });
    expect(journal.state).toMatchObject({ sequence: 4, candidate: { release: { executionId: 'e2' } } });
  });

  it('gives a release that was quarantined another chance, and no other', async () => {
    const { journal, look } = await start({ state: { quarantined: ['other', release.held.digest] } });
    await look(answerOf(release));
    expect(journal.state.quarantined).toEqual(['other']);
  });

  it.each<[string, Partial<Assignment>, string, string | undefined]>([
    ['for another device', { deviceId: 'd-two' }, 'wrong-device', undefined],
    ['of another epoch', { epoch: 2 }, 'wrong-epoch', undefined],
    ['that has expired', { expires: Date.now() - 1 }, 'expired', undefined],
    ['older than one that was accepted', { sequence: 2 }, 'replayed', undefined],
    ['of another counter than the publisher signed', { sequence: 9, releaseCounter: 6 }, 'statement-mismatch', 'e1'],
    ['of a target that the publisher did not sign', { sequence: 9, targetPath: 'a/other' }, 'unknown-target', 'e1'],
    ['of another variant than the publisher signed', { sequence: 9, variant: 'onnx-int8' }, 'statement-mismatch', 'e1'],
    [
      'with a window that cannot be read',
      { terms: { mode: 'forced', window: { cron: '99 2 * * *', duration: 60, zone: 'device' } } },
      'window-unreadable',
      'e1',
    ],
  ])('%s is refused with its reason, and changes nothing', async (_, change, code, executionId) => {
    const { journal, look } = await start({ state: { sequence: 3 } });
    const before = journal.state;
    const finding = await look(answerOf(release, { sequence: 4, ...change }));
    expect(finding).toMatchObject({ found: 'refused', code, executionId });
    expect(journal.state).toEqual(before);
  });

  it('below the floor of this device is refused for ever, with its execution', async () => {
    const { journal, look } = await start({ state: { rollbackFloor: 6 } });
    const finding = await look(answerOf(release));
    expect(finding).toMatchObject({ found: 'refused', code: 'below-floor', executionId: 'e1' });
    expect(journal.state.candidate).toBeNull();
    expect(journal.state.sequence).toBe(0);
    const { look: lookAgain } = await start({ state: { rollbackFloor: 5 } });
    expect(await lookAgain(answerOf(release))).toMatchObject({ found: 'assigned' });
  });

  it('that needs a newer agent says so', async () => {
    const modern = await sealRelease('a@2.0.0', { minAgent: '999.0.0' });
    const repository = newRepository();
    repository.publish({ releases: [modern.statement] });
    const { look } = await start({ repository });
    expect(await look(answerOf(modern))).toMatchObject({
      found: 'refused',
      code: 'agent-too-old',
      message: expect.stringContaining('update the agent'),
      executionId: 'e1',
    });
  });

  it('by an unknown director is refused, and its execution is not believed', async () => {
    const { journal, look } = await start();
    const finding = await look(answerOf(release, {}, stranger));
    expect(finding).toMatchObject({ found: 'refused', executionId: undefined });
    expect(journal.state.candidate).toBeNull();
  });

  it('of a release that the publisher has not published is refused, with its execution', async () => {
    const { journal, look } = await start();
    const other = await sealRelease('b@1.0.0');
    const finding = await look(answerOf(other));
    expect(finding).toMatchObject({ found: 'refused', code: 'unknown-target', executionId: 'e1' });
    expect(journal.state.candidate).toBeNull();
  });

  it.each(['jetson-orin-nano', null])(
    'of a variant that is not for this board (%s) is refused, with its execution',
    async (profile) => {
      const { look } = await start({ profile });
      expect(await look(answerOf(release))).toMatchObject({
        found: 'refused',
        code: 'wrong-profile',
        executionId: 'e1',
      });
    },
  );

  it('whose bytes were changed after they were signed is refused', async () => {
    const { look } = await start();
    const answer = answerOf(release);
    const payload = Buffer.from(JSON.stringify({ ...assignmentOf(release), deviceId: 'd-one', sequence: 7 }));
    const forged = { ...answer.assignment, payload: payload.toString('base64') };
    expect(await look({ ...answer, assignment: forged })).toMatchObject({ found: 'refused', executionId: undefined });
  });

  it('is judged by the newest signed time where the clock is behind it', async () => {
    const now = Date.now();
    const { look } = await start({ state: { timeFloor: now + 10 * HOUR } });
    expect(await look(answerOf(release))).toMatchObject({ found: 'refused', code: 'expired' });
    const { journal, look: lookAgain } = await start({ state: { timeFloor: now - HOUR } });
    await lookAgain(answerOf(release, { issuedAt: now - 5 }));
    expect(journal.state.timeFloor).toBe(now - 5);
    await lookAgain(answerOf(release, { sequence: 2, issuedAt: now - 2 * HOUR }));
    expect(journal.state.timeFloor).toBe(now - 5);
  });

  it('that is not there is nothing to do; one that cannot be asked for is asked for again', async () => {
    const { look } = await start();
    const problem = { type: 'about:blank', title: 'none', status: 404, code: 'no-assignment', detail: 'none yet' };
    expect(await look(new ApiError(problem))).toEqual({ found: 'same' });
    await expect(look(new ApiError({ ...problem, status: 503 }))).rejects.toThrow('none yet');
    await expect(look(new Error('unreachable'))).rejects.toThrow('unreachable');
  });
});

describe('what the publisher allows', () => {
  it('is asked for before anything new begins, and not at each look', async () => {
    const { look, repository } = await start();
    await look(answerOf(release));
    repository.asked.length = 0;
    await look(answerOf(release));
    expect(repository.asked).toEqual([]);
    await look(answerOf(release, { sequence: 2 }));
    expect(repository.asked).not.toEqual([]);
  });

  it('that says what it has said before is asked for in one small file, and nothing is written', async () => {
    const { folder, look, repository, assignments } = await start({ state: { committed: release.held } });
    await look(answerOf(release));
    const written = async () => (await stat(join(folder, 'journal.json'))).ino;
    const before = await written();
    repository.asked.length = 0;
    repository.contents.clear();
    assignments.distrust();
    expect(await look(answerOf(release))).toEqual({ found: 'same' });
    expect(repository.asked).toEqual(['2.root.json', 'timestamp.json']);
    expect(await written()).toBe(before);
  });

  it('is asked for again when the director has a new key, and when somebody says that it has changed', async () => {
    const { look, repository, assignments } = await start();
    await look(answerOf(release));
    repository.publish({ directorKeys: [stranger.publicKeyPem] });
    expect(await look(answerOf(release, { sequence: 2 }, stranger))).toMatchObject({ found: 'assigned' });
    expect(await look(answerOf(release, { sequence: 3 }))).toMatchObject({ found: 'refused', code: 'dsse-untrusted' });
    repository.asked.length = 0;
    assignments.distrust();
    await look(answerOf(release, { sequence: 2 }, stranger));
    expect(repository.asked).not.toEqual([]);
  });

  it('that has expired lets nothing new begin', async () => {
    const { journal, look, repository } = await start();
    repository.edition = {
      ...repository.edition,
      expires: { ...repository.edition.expires, timestamp: Date.now() - 1 },
    };
    repository.publishTimestamp();
    expect(await look(answerOf(release))).toMatchObject({ found: 'refused', code: 'metadata-expired' });
    expect(journal.state.candidate).toBeNull();
  });

  it('no more takes back what is not committed yet, tells why, and leaves alone what runs', async () => {
    const { journal, look, repository, assignments, news } = await start({ state: { committed: release.held } });
    await look(answerOf(release));
    repository.publish({ releases: [] });
    assignments.distrust();
    expect(await look(answerOf(release))).toEqual({ found: 'same' });
    expect(journal.state).toMatchObject({
      candidate: null,
      committed: release.held,
      stopped: [],
      notices: [{ executionId: 'e1', state: 'REJECTED', reason: { code: 'revoked' } }],
    });
    expect(news).toEqual(['news']);
  });

  it('and must stop is known from then on', async () => {
    const { journal, look, repository, assignments, news } = await start({ state: { committed: release.held } });
    await look(answerOf(release));
    repository.publish({ releases: [], stopped: ['a@1.0.0'] });
    assignments.distrust();
    await look(answerOf(release));
    expect(journal.state.stopped).toEqual(['a@1.0.0']);
    expect(news).toEqual(['news']);
  });

  it('raises the floor of a device that runs the release, and never lowers it', async () => {
    const { journal, look, repository, assignments } = await start({ state: { committed: release.held } });
    const raise = async (rollbackFloor: number) => {
      repository.publish({ releases: [{ ...release.statement, rollbackFloor }] });
      assignments.distrust();
      await look(answerOf(release));
      return journal.state.rollbackFloor;
    };
    expect(await raise(4)).toBe(4);
    expect(await raise(1)).toBe(4);
    const { journal: other, look: lookThere } = await start({ repository });
    await lookThere(answerOf(release));
    expect(other.state.rollbackFloor).toBe(0);
  });
});
