import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildMlp } from '@aviary/onnx';
import { type ApiError, adminRoutes, createClient, PROBLEM_CONTENT_TYPE } from '@aviary/protocol';
import {
  ageRecipientOf,
  decodeMetadata,
  encodeSigningKey,
  rootFingerprint as fingerprintOf,
  generateAgeIdentity,
  generateSigningKey,
  openHeader,
  openPayload,
  parseManifest,
  type ReleaseStatement,
  readArchive,
  signerOf,
  statementsIn,
} from '@aviary/release';
import { RepositorySimulator } from '@aviary/release/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Connection, fetchOrExplain } from '../connection.ts';
import { runToEnd } from '../demo/child-process.ts';
import { writePictures } from '../demo/training/pictures.ts';
import { FleetRepository } from '../trust/fleet-repository.ts';
import { type Publisher, pushModel } from './push-model.ts';

// Built: npx tsc -b apps/cli
const AVIARY = fileURLToPath(new URL('../../bin/aviary.js', import.meta.url));
const PIXELS = 28 * 28;
const YAML = `name: grey
version: 1.0.0
task: classification
labels: ["0", "1"]
input: { width: 28, height: 28, color: gray, resize: stretch, layout: flat, scale: 1/255 }
output: { activation: softmax, confidenceBelow: 0.7 }
variants:
  - { id: plain, file: model.onnx }
acceptance: { samples: acceptance, goldenTolerance: 0.01, minAccuracy: 0.5 }
`;

const FEATURES = 4;

const weights = (outputs: number) =>
  buildMlp(
    [PIXELS, FEATURES, outputs],
    [
      { w: new Float32Array(PIXELS * FEATURES), b: new Float32Array(FEATURES) },
      { w: new Float32Array(FEATURES * outputs), b: new Float32Array(outputs) },
    ],
  );

const summary = {
  release: 'grey@1.0.0',
  model: 'grey',
  version: '1.0.0',
  releaseCounter: 4,
  rollbackFloor: 2,
  description: '',
  publisher: 'ana',
  publishedAt: 0,
  revokedAt: null,
  variants: [],
  trainable: false,
  lineage: null,
};

const identity = generateAgeIdentity();

let server: Server;
let connection: Connection;
let directory: string;
let temporary: string;
/** What the control plane knows, was given, and what it answers to an upload. */
let releases: object[];
let blobs: Map<string, Buffer>;
let published: { variants: { path: string; ageHeader: string }[]; targets: string } | undefined;
let fleet: RepositorySimulator;
let publisher: Publisher;
let refuseUpload: 'problem' | 'page' | undefined;
/** When set, an upload is never answered. */
let uploadStarts: (() => void) | undefined;

beforeAll(async () => {
  const recipient = ageRecipientOf(identity);
  temporary = await mkdtemp(join(tmpdir(), 'aviary-push-test-'));
  vi.stubEnv('TMPDIR', temporary);
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const send = (status: number, content: unknown, type = 'application/json') =>
      response.writeHead(status, { 'content-type': type }).end(JSON.stringify(content));
    const url = request.url ?? '';
    if (url === '/api/v1/registry') {
      send(200, { recipient, fleetCaFingerprint: 'a'.repeat(64), deviceUrl: 'https://x', mqttUrl: 'mqtts://x' });
    } else if (url.startsWith('/api/v1/trust/metadata/')) {
      const file = fleet.files.get(url.slice('/api/v1/trust/metadata/'.length));
      response.writeHead(file === undefined ? 404 : 200).end(file);
    } else if (url.startsWith('/api/v1/releases?')) send(200, { items: releases, nextCursor: null });
    else if (url.startsWith('/api/v1/blobs/') && uploadStarts !== undefined) uploadStarts();
    else if (url.startsWith('/api/v1/blobs/') && refuseUpload !== undefined) {
      const problem = {
        type: 'about:blank',
        title: 'Full',
        status: 507,
        code: 'disk-full',
        detail: 'The disk is full.',
      };
      send(
        507,
        refuseUpload === 'problem' ? problem : 'x',
        refuseUpload === 'problem' ? PROBLEM_CONTENT_TYPE : 'text/html',
      );
    } else if (url.startsWith('/api/v1/blobs/')) {
      blobs.set(url.slice('/api/v1/blobs/'.length), body);
      send(204, undefined);
    } else {
      published = JSON.parse(body.toString());
      send(200, { published: true, missing: { root: 0, targets: 0 }, releases: ['grey@1.0.0'], revoked: [] });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = createClient(adminRoutes, { baseUrl, fetch: fetchOrExplain });
  connection = { baseUrl, authorization: 'Bearer x', client, from: 'the test' };
});

afterAll(async () => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  server.close();
  await rm(temporary, { recursive: true, force: true });
});

beforeEach(async () => {
  releases = [];
  fleet = new RepositorySimulator();
  blobs = new Map();
  published = undefined;
  refuseUpload = undefined;
  uploadStarts = undefined;
  directory = await mkdtemp(join(temporary, 'model-'));
  const rootFingerprint = fingerprintOf(decodeMetadata('root', fleet.pinnedRoot));
  const repository = await FleetRepository.open(connection, {
    keyPath: join(directory, 'publisher.key'),
    rootFingerprint,
  });
  publisher = { signer: fleet.publisher, repository };
  await writeFile(join(directory, 'model.yaml'), YAML);
  await writeFile(join(directory, 'model.onnx'), weights(2));
  await writePictures(join(directory, 'acceptance'), [
    { label: 0, pixels: new Float32Array(PIXELS) },
    { label: 1, pixels: new Float32Array(PIXELS).fill(1) },
  ]);
});

const push = (folder = directory) => pushModel(folder, publisher, connection, () => {});
const refusal = async (folder = directory): Promise<string> => {
  const error: unknown = await push(folder).catch((reason: unknown) => reason);
  expect(published).toBeUndefined();
  expect(blobs.size).toBe(0);
  if (error instanceof Error)
    return `${error.name === 'Error' ? error.constructor.name : error.name}: ${error.message}`;
  throw new Error('expected a refusal');
};
const edit = (from: string, to: string) => writeFile(join(directory, 'model.yaml'), YAML.replace(from, to));
const leftBehind = async (): Promise<string[]> =>
  (await readdir(temporary)).filter((name) => name.startsWith('aviary-push-'));

/** What was published of `grey@1.0.0`, in metadata that the publisher signed. */
const publishedStatement = (): ReleaseStatement => {
  const targets = decodeMetadata('targets', published?.targets ?? '');
  decodeMetadata('root', fleet.pinnedRoot).verifyDelegate('targets', targets);
  const statement = statementsIn(targets.signed).get('grey@1.0.0');
  if (statement === undefined) throw new Error('nothing was published');
  return statement;
};

describe('pushModel', () => {
  it('uploads each variant under its digest, then publishes it in signed targets, and leaves nothing here', async () => {
    expect((await push()).release).toBe('grey@1.0.0');
    const statement = publishedStatement();
    expect(statement).toMatchObject({ release: 'grey@1.0.0', releaseCounter: 1, rollbackFloor: 0 });
    expect(published?.variants.map(({ path }) => path)).toEqual(['grey/1.0.0/plain.age-payload']);
    expect(statement).toMatchObject({ publisherKey: fleet.publisher.publicKeyPem });
    const [[digest, bytes] = ['', Buffer.alloc(0)]] = blobs;
    expect(blobs.size).toBe(1);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(digest);
    expect(bytes.includes(await readFile(join(directory, 'model.onnx')))).toBe(false);
    expect(await leftBehind()).toEqual([]);
  });

  it('makes a release trainable, and tells from which round it comes', async () => {
    const lineage = {
      parent: 'grey@0.9.0',
      round: '6f1c2a34-0000-4000-8000-000000000001',
      updateSha256: 'c'.repeat(64),
      devices: 3,
      samples: 90,
    };
    await writeFile(join(directory, 'lineage.json'), JSON.stringify(lineage));
    await edit('task: classification', 'task: classification\ntraining: auto\nlineage: lineage.json');
    await push();
    const statement = publishedStatement();
    expect(statement.lineage).toEqual(lineage);
    expect(statement.targets[0]?.training).toMatchObject({ features: FEATURES, classes: 2 });
    const header = Buffer.from(published?.variants[0]?.ageHeader ?? '', 'base64');
    const plain: Buffer[] = [];
    for await (const part of openPayload(openHeader(header, identity), [...blobs.values()])) plain.push(part);
    const files = await readArchive(Buffer.concat(plain));
    expect(files.get('training/step.onnx')?.length).toBeGreaterThan(0);
    expect(parseManifest(files.get('manifest.json') ?? Buffer.alloc(0))).toMatchObject({
      training: statement.targets[0]?.training,
      acceptance: { golden: [{ output: [0, 0] }, { output: [0, 0] }] },
    });
    expect(await leftBehind()).toEqual([]);
  });

  it('counts on from the newest release, also one that was revoked', async () => {
    releases = [{ ...summary, release: 'grey@0.9.0', version: '0.9.0', releaseCounter: 7 }];
    await push();
    expect(publishedStatement()).toMatchObject({ releaseCounter: 8, rollbackFloor: 0 });
  });

  it('keeps the rollback floor that is signed, whatever the control plane says, and all other releases', async () => {
    await push();
    const other = { ...publishedStatement(), release: 'grey@0.8.0', releaseCounter: 6, rollbackFloor: 3 };
    const targets = other.targets.map((target) => ({ ...target, path: 'grey/0.8.0/plain.age-payload' }));
    fleet.publish({ releases: [{ ...other, targets }] });
    releases = [{ ...summary, release: 'grey@0.9.0', version: '0.9.0', releaseCounter: 7, rollbackFloor: 0 }];
    const keyPath = join(directory, 'publisher.key');
    publisher = { ...publisher, repository: await FleetRepository.open(connection, { keyPath }) };
    await push();
    expect(publishedStatement()).toMatchObject({ releaseCounter: 8, rollbackFloor: 3 });
    const all = statementsIn(decodeMetadata('targets', published?.targets ?? '').signed);
    expect([...all.keys()].sort()).toEqual(['grey@0.8.0', 'grey@1.0.0']);
  });

  it('refuses a version that was pushed before', async () => {
    releases = [summary];
    expect(await refusal()).toMatch(/^UsageError: grey@1\.0\.0 was pushed before.*Raise the version/);
  });

  it('refuses what is no folder of a model', async () => {
    expect(await refusal(join(directory, 'none'))).toContain('Expected a folder with a model.yaml');
    expect(await refusal(join(directory, 'model.onnx'))).toContain('Expected a folder with a model.yaml');
    expect(await refusal(join(directory, 'acceptance'))).toContain('There is no model.yaml in');
  });

  it.each([
    ['a key that there is not', 'version:', 'vresion:', /line 2, column 1.*did you mean "version"/s],
    ['a version that is none', '1.0.0', 'one', /line 2, column \d+, version: expected/],
    ['several mistakes at once', 'task: classification\nlabels: ["0", "1"]', 'task: x\nlabels: 3', /2 problems/],
    ['a file that is not there', 'file: model.onnx', 'file: other.onnx', /other\.onnx/],
    ['samples that are not there', 'samples: acceptance', 'samples: nowhere', /nowhere/],
    ['another number of labels', '["0", "1"]', '["0", "1", "2"]', /model\.onnx.*3 values, one per label.*has 2/],
    ['another size of picture', 'width: 28', 'width: 27', /model\.onnx .* does not run/],
    [
      'a head that there is not',
      'task: classification',
      'task: classification\ntraining: { head: fc }',
      /model\.yaml, training\.head: model\.onnx \(variant plain\): .*"fc".*none/,
    ],
  ])('says where %s is, and uploads nothing', async (_, from, to, words) => {
    await edit(from, to);
    expect(await refusal()).toMatch(words);
    expect(await leftBehind()).toEqual([]);
  });

  it('refuses a variant for which no board has a runtime', async () => {
    await edit(
      'file: model.onnx }',
      'file: model.onnx }\n  - { id: odd, file: model.hef, runtime: hailort, format: hef, precision: fp32 }',
    );
    expect(await refusal()).toMatch(/^UsageError: No firmware profile can run variant "odd" \(hailort, hef, fp32\)/);
  });

  it('says what a file is that is no model', async () => {
    await writeFile(join(directory, 'model.onnx'), 'version https://git-lfs.github.com/spec/v1\n');
    expect(await refusal()).toMatch(/git lfs pull/);
  });

  it('gives up when an upload is refused, publishes nothing, and leaves nothing here', async () => {
    refuseUpload = 'problem';
    const error = (await push().catch((reason: unknown) => reason)) as ApiError;
    expect(error.problem.code).toBe('disk-full');
    refuseUpload = 'page';
    await expect(push()).rejects.toThrow('The upload of plain was answered with HTTP 507. Try again.');
    expect(published).toBeUndefined();
    expect(await leftBehind()).toEqual([]);
  });

  it('that is cut off leaves nothing here either', async () => {
    const keyPath = join(directory, 'publisher.key');
    const key = generateSigningKey();
    await writeFile(keyPath, encodeSigningKey(key));
    fleet.publishRoot({ roles: fleet.rolesWith('targets', [signerOf(key)]) });
    fleet.publish();
    const cut = new AbortController();
    uploadStarts = () => cut.abort(new Error('cut off'));
    const environment = { TMPDIR: temporary, AVIARY_SERVER: connection.baseUrl, AVIARY_TOKEN: 'x' };
    const pushing = runToEnd(AVIARY, ['model', 'push', directory, '--key', keyPath], environment, cut.signal);
    await expect(pushing).rejects.toThrow('cut off');
    expect(published).toBeUndefined();
    expect(await leftBehind()).toEqual([]);
  });
});
