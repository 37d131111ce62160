import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exampleFacts } from '@aviary/hardware';
import { generateAgeIdentity } from '@aviary/release';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AGENT } from '../support/test-fleet.ts';

let folder = '';
const ends: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aviary-alone-'));
  await mkdir(join(folder, 'identity'));
  // A device that has joined a fleet which is away: nobody listens there.
  const enrolment = {
    deviceId: 'd-alone',
    epoch: 1,
    deviceUrl: 'https://127.0.0.1:1',
    mqttUrl: 'mqtts://127.0.0.1:1',
    directorKeys: [],
    root: '',
  };
  const files = {
    'enrolment.json': JSON.stringify(enrolment),
    'device.pem': ['CERTIFICATE', 'PRIVATE KEY']
      .map((what) => `-----BEGIN ${what}-----\nAAAA\n-----END ${what}-----\n`)
      .join(''),
    'fleet-ca.crt': '',
    'age.key': generateAgeIdentity(),
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, 'identity', name), content);
  await writeFile(join(folder, 'facts.json'), JSON.stringify(exampleFacts('rpi4')));
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  await rm(folder, { recursive: true, force: true });
});

const run = () => {
  const args = ['run', '--state-dir', folder, '--facts', join(folder, 'facts.json'), '--source', `dir:${folder}`];
  const child = spawn(process.execPath, [AGENT, ...args, '--plaintext-dir', folder], {
    env: { ...process.env, AVIARY_LOG_LEVEL: 'info' },
  });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const ended = once(child, 'close').then(([code]) => ({ code, output }));
  ends.push(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, ended, output: () => output };
};

describe('an agent whose control plane is away', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('runs until %s, one in its directory, and ends whole', async (signal) => {
    const first = run();
    await expect.poll(first.output, { timeout: 15_000 }).toContain('"started"');
    const second = await run().ended;
    expect(second.code).toBe(1);
    expect(second.output).toContain(`Another aviary-agent (process ${first.child.pid}) works in ${folder}.`);
    first.child.kill(signal);
    expect(await first.ended).toMatchObject({ code: 0, output: expect.stringContaining('"stopped"') });
    expect(await readdir(folder)).not.toContain('agent.lock');
    expect(JSON.parse(await readFile(join(folder, 'journal.json'), 'utf8'))).toMatchObject({ deviceId: 'd-alone' });
  });

  it('starts again after it was killed', async () => {
    const first = run();
    await expect.poll(first.output, { timeout: 15_000 }).toContain('"started"');
    first.child.kill('SIGKILL');
    await first.ended;
    expect(await readdir(folder)).toContain('agent.lock');
    const second = run();
    await expect.poll(second.output, { timeout: 15_000 }).toContain('"started"');
    second.child.kill('SIGTERM');
    expect(await second.ended).toMatchObject({ code: 0 });
  });
});
