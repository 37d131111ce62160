import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TargetFile } from '@tufjs/models';
import { BaseFetcher, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ReleaseStatement } from '../documents/release-statement.ts';
import { type DelegatedEdition, publishDelegated } from '../testing/delegated-roles.ts';
import { newSigner, RepositorySimulator } from '../testing/repository-simulator.ts';
import { ImageRepository } from './image-repository.ts';
import { refuseDelegations, statementsIn, targetsOf } from './release-targets.ts';

const DAY_MS = 86_400_000;
const PATH = 'gate-watch/1.0.0/onnx-fp32.age-payload';

const statement = (release: string, path: string): ReleaseStatement => ({
  release,
  releaseCounter: 1,
  rollbackFloor: 0,
  minAgent: '0.1.0',
  issuedAt: 1_000,
  publisherKey: newSigner().publicKeyPem,
  targets: [
    {
      path,
      variant: 'onnx-fp32',
      runtime: 'onnxruntime',
      format: 'onnx',
      precision: 'fp32',
      profiles: ['rpi5'],
      length: 1056,
      sha256: 'a'.repeat(64),
      plaintextSha256: 'b'.repeat(64),
      plaintextLength: 1024,
      omsSha256: 'c'.repeat(64),
    },
  ],
});
const files = targetsOf(statement('gate-watch@1.0.0', PATH));

let folder: string;
let simulator: RepositorySimulator;
let client: ImageRepository;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aviary-delegations-test-'));
  simulator = new RepositorySimulator({
    releases: [statement('meter-reader@1.0.0', 'meter-reader/1.0.0/onnx-fp32.age-payload')],
  });
  client = new ImageRepository(join(folder, 'metadata'), simulator.pinnedRoot, simulator.source);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const [ana, ben] = [newSigner(), newSigner()];
const team: DelegatedEdition = {
  name: 'team',
  paths: ['gate-watch/1.0.0/*'],
  files,
  version: 1,
  expires: Date.now() + DAY_MS,
  signers: [ana],
  threshold: 1,
};

class SimulatorFetcher extends BaseFetcher {
  override async downloadBytes(url: string): Promise<Buffer> {
    const name = new URL(url).pathname.slice(1);
    const text = simulator.files.get(name);
    if (text === undefined) throw new DownloadHTTPError(`there is no ${name}`, 404);
    return Buffer.from(text);
  }
  override async fetch(): Promise<never> {
    throw new Error('metadata comes whole');
  }
}

/** A client that follows delegations: tuf-js by itself. What it says shows that a scenario is what its name says. */
const follower = async (): Promise<Updater> => {
  const metadataDir = await mkdtemp(join(folder, 'follower-'));
  await writeFile(join(metadataDir, 'root.json'), simulator.pinnedRoot);
  const metadataBaseUrl = 'https://image-repository.invalid';
  return new Updater({ metadataDir, metadataBaseUrl, fetcher: new SimulatorFetcher() });
};

/** What our client believes, and that it has not even asked for the metadata of another role. */
const releases = async (): Promise<string[]> => {
  const { targets } = await client.refresh(Date.now());
  expect(simulator.asked.filter((file) => !/(root|targets|snapshot|timestamp)\.json$/.test(file))).toEqual([]);
  return [...statementsIn(targets.signed).keys()];
};

describe('a release that only a delegated role names', () => {
  const found: [string, DelegatedEdition[]][] = [
    ['that is signed as it should be', [team]],
    ['of two people, both of whom signed', [{ ...team, signers: [ana, ben], threshold: 2 }]],
    ['behind a role that has nothing', [{ ...team, name: 'empty', files: [] }, team]],
  ];
  it.each(found)('is not there for us, %s', async (_, roles) => {
    publishDelegated(simulator, roles);
    expect((await (await follower()).getTargetInfo(PATH))?.path).toBe(PATH);
    expect(await releases()).toEqual(['meter-reader@1.0.0']);
  });

  const unseen: [string, DelegatedEdition[]][] = [
    ['outside of its paths', [{ ...team, paths: ['other/*/*'] }]],
    ['behind a terminating role that has nothing', [{ ...team, name: 'empty', files: [], terminating: true }, team]],
  ];
  it.each(unseen)('is not there for anybody, %s', async (_, roles) => {
    publishDelegated(simulator, roles);
    expect(await (await follower()).getTargetInfo(PATH)).toBeUndefined();
    expect(await releases()).toEqual(['meter-reader@1.0.0']);
  });

  const refused: [string, DelegatedEdition, RegExp][] = [
    [
      'signed by fewer than it asks for',
      { ...team, signers: [ana, ben], threshold: 2, signedBy: [ana] },
      /threshold|signed/,
    ],
    ['signed by a stranger', { ...team, signedBy: [newSigner()] }, /threshold|signed/],
    ['that has expired', { ...team, expires: Date.now() - DAY_MS }, /expired/],
    ['that the snapshot does not name', { ...team, inSnapshot: false }, /undefined|snapshot/],
  ];
  it.each(refused)('is refused by a client that looks, and not there for us, in a role %s', async (_, role, words) => {
    publishDelegated(simulator, [role]);
    await expect((await follower()).getTargetInfo(PATH)).rejects.toThrow(words);
    expect(await releases()).toEqual(['meter-reader@1.0.0']);
  });

  it('never takes the place of what the publisher says of the same path', async () => {
    const path = 'meter-reader/1.0.0/onnx-fp32.age-payload';
    const evil = new TargetFile({ path, length: 1, hashes: { sha256: 'e'.repeat(64) } });
    publishDelegated(simulator, [{ ...team, paths: ['meter-reader/1.0.0/*'], files: [evil] }]);
    const { targets } = await client.refresh(Date.now());
    expect(statementsIn(targets.signed).get('meter-reader@1.0.0')?.targets[0]?.sha256).toBe('a'.repeat(64));
  });
});

describe('a snapshot', () => {
  it.each<[string, readonly DelegatedEdition[]]>([
    ['in which a delegated role is older than it was (rollback)', [{ ...team, version: 1 }]],
    ['in which a delegated role is missing that was there', [{ ...team, version: 3, inSnapshot: false }]],
  ])('%s is refused, whoever follows that role', async (_, roles) => {
    publishDelegated(simulator, [{ ...team, version: 2 }]);
    expect(await releases()).toEqual(['meter-reader@1.0.0']);
    publishDelegated(simulator, roles);
    await expect(client.refresh(Date.now())).rejects.toMatchObject({ code: 'metadata-refused' });
  });
});

describe('targets metadata for the fleet', () => {
  it('may not delegate, so that nobody believes that it counts', async () => {
    const { targets: plain } = await client.refresh(Date.now());
    expect(() => refuseDelegations(plain.signed)).not.toThrow();
    publishDelegated(simulator, [team]);
    const { targets } = await client.refresh(Date.now());
    expect(() => refuseDelegations(targets.signed)).toThrow(
      expect.objectContaining({ code: 'target-invalid', message: expect.stringContaining('team') }),
    );
  });
});
