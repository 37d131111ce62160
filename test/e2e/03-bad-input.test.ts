import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { parseJoinToken } from '@aviary/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProgramError, runToEnd } from '../../apps/cli/src/demo/child-process.ts';
import { AGENT, CONTROL_PLANE, TestFleet } from '../support/test-fleet.ts';
import { writeTestModel } from '../support/test-model.ts';

/** What a program says when it fails, with its exit code. */
const failure = async (running: Promise<string>): Promise<string> => {
  const outcome = await running.then(
    (output) => new Error(`expected a failure, got: ${output}`),
    (error: unknown) => error,
  );
  if (!(outcome instanceof ProgramError)) throw outcome;
  return outcome.message;
};

describe('bad input', () => {
  let fleet: TestFleet;
  let scratch: string;

  beforeAll(async () => {
    fleet = await TestFleet.start();
    scratch = await mkdtemp(join(fleet.directory, 'scratch-'));
    await fleet.addDevice('one', 'rpi4');
  });
  afterAll(() => fleet.stop());

  const join_ = (name: string, token: string) =>
    runToEnd(AGENT, [
      'join',
      '--state-dir',
      join(scratch, name),
      '--facts',
      join(fleet.directory, 'one', 'facts.json'),
      '--token',
      token,
    ]);

  it('a token that is used, expired, damaged, or of another fleet', async () => {
    const { token } = await fleet.client.createJoinToken({ body: {} });
    await join_('used-1', token);
    expect(await failure(join_('used-2', token))).toMatch(/was used already, by device d-\w+.*enroll-token/);
    expect(await readdir(join(scratch, 'used-2'))).toEqual([]);

    const short = await fleet.client.createJoinToken({ body: { ttlSeconds: 1 } });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await failure(join_('expired', short.token))).toMatch(/has expired.*enroll-token/);

    expect(await failure(join_('damaged', token.slice(0, 40)))).toMatch(/exit code 2.*cut off or damaged/s);
    const other = { ...parseJoinToken(token), caFingerprint: '0'.repeat(64) };
    const forged = `aviary-join.${other.secret}.${other.caFingerprint}.${new URL(other.url).host}`;
    expect(await failure(join_('forged', forged))).toMatch(/does not belong to the fleet of this token/);
  });

  it('a model.yaml with several mistakes: all at once, each with its place', async () => {
    const folder = join(scratch, 'mistakes');
    await mkdir(folder);
    await writeFile(
      join(folder, 'model.yaml'),
      'name: Grey!\nversion: one\ntask: classification\nlables: [a, b]\nvariants: []\n',
    );
    const words = await failure(fleet.aviary('model', 'push', folder, '--key', fleet.keyPath));
    expect(words).toMatch(/exit code 2/);
    for (const part of [/name/, /version/, /lables.*labels/s, /variants/, /line 1|1:7/]) expect(words).toMatch(part);
  });

  it('an ONNX file that is none, and a variant that no profile can run', async () => {
    const folder = await writeTestModel(scratch, { version: '7.0.0', manner: 'sure' });
    await writeFile(join(folder, 'model.onnx'), 'PK\u0003\u0004 not a model');
    expect(await failure(fleet.aviary('model', 'push', folder, '--key', fleet.keyPath))).toMatch(
      /expected an ONNX model, found a ZIP archive/i,
    );

    const folder2 = await writeTestModel(scratch, { version: '7.1.0', manner: 'sure' });
    const yaml = join(folder2, 'model.yaml');
    const text = await readFile(yaml, 'utf8');
    await writeFile(
      yaml,
      text.replace(
        '  - file: model.onnx',
        '  - file: model.onnx\n  - { id: hef-fp32, file: model.onnx, runtime: hailort, format: hef, precision: fp32 }',
      ),
    );
    expect(await failure(fleet.aviary('model', 'push', folder2, '--key', fleet.keyPath))).toMatch(
      /No firmware profile can run variant "hef-fp32"/,
    );
    expect((await fleet.client.listReleases({})).items).toEqual([]);
  });

  it('a selector with a typo, a rollout of nothing, waves that do not grow', async () => {
    const devices = fleet.aviary('device', 'list', '-l', 'profle=rpi4');
    expect(await failure(devices)).toMatch(/exit code 2.*expected "profile".*profle=rpi4\n\s+\^/s);
    await fleet.push({ version: '1.0.0', manner: 'sure' });
    const create = (...args: string[]) =>
      failure(fleet.aviary('rollout', 'create', '--release', 'grey@1.0.0', ...args));
    expect(await create('--target', 'site=nowhere')).toMatch(/No device fits the target "site=nowhere"/);
    expect(await create('--waves', '50%,10%')).toMatch(/expected 100%[\s\S]*sizes are cumulative/);
    expect(await failure(fleet.aviary('rollout', 'create', '--release', 'grey@9.9.9'))).toMatch(
      /no release "grey@9.9.9"/,
    );
    expect((await fleet.client.listRollouts({})).items).toEqual([]);
  });

  it('a port in use, a wrong option, an unknown command', async () => {
    const taken = createServer();
    const port = await new Promise<number>((resolve) => {
      taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port));
    });
    const args = ['all', '--data', join(scratch, 'other'), '--http-port', String(port)];
    expect(await failure(runToEnd(CONTROL_PLANE, args))).toMatch(new RegExp(`Port ${port} .* in use .*--http-port`));
    taken.close();
    expect(await failure(runToEnd(CONTROL_PLANE, ['all', '--http-port', 'eighty']))).toMatch(/exit code 2.*http-port/s);
    expect(await failure(fleet.aviary('device', 'lst'))).toMatch(/exit code 2/);
    expect(await failure(fleet.aviary('rollout', 'status', '--wach'))).toMatch(/exit code 2/);
  });

  it('a device plane without, or with a foreign, certificate', async () => {
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      const answer = await fetch(`${fleet.deviceUrl}/device/v1/assignment`);
      expect(answer.status).toBe(401);
      expect(await answer.json()).toMatchObject({ code: 'certificate-missing' });
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    }
  });

  it('the admin plane without the token', async () => {
    const answer = await fetch(`${fleet.server}/api/v1/devices`);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  });
});
