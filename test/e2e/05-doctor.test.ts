import { spawn } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { examine } from '../support/doctor.ts';
import { AVIARY, TestFleet, until } from '../support/test-fleet.ts';

describe('aviary doctor', () => {
  let fleet: TestFleet;

  beforeAll(async () => {
    fleet = await TestFleet.start();
  });
  afterAll(() => fleet?.stop());

  const probes = () => fleet.query<{ id: string }>('select id from probe');

  it('finds the embedded broker well, line by line, and leaves no probe behind', async () => {
    const { code, checks } = await examine(fleet);
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(code).toBe(0);
    expect(checks.map(({ name }) => name)).toEqual([
      'api',
      'clock',
      'master-key',
      'blobs',
      'device-plane',
      'mqtt-tls',
      'mqtt-old-tls',
      'mqtt-certificate',
      'mqtt-own-topics',
      'mqtt-foreign-publish',
      'mqtt-foreign-read',
      'mqtt-name',
    ]);
    expect(await probes()).toEqual([]);
    const lines = (await fleet.aviary('doctor')).trimEnd().split('\n');
    expect(lines).toHaveLength(checks.length);
    expect(lines.every((line) => line.startsWith('ok    '))).toBe(true);
  });

  it('leaves no probe behind when it is interrupted', async () => {
    const env = { ...process.env, AVIARY_SERVER: fleet.server, AVIARY_DATA: fleet.data };
    const child = spawn(process.execPath, [AVIARY, 'doctor'], { env, stdio: 'ignore' });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await until('both probes', 30, async () => ((await probes()).length === 2 ? true : undefined));
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(await probes()).toEqual([]);
  });

  it('does not tell probes from nobody in the fleet', async () => {
    expect((await fleet.client.listDevices({})).items).toEqual([]);
    expect((await fleet.client.listAudit({})).items.map(({ action }) => action)).toContain('createProbe');
  });

  it('misses a master key that is gone before the next start does', async () => {
    const path = join(fleet.data, 'keys', 'master.key');
    await rename(path, `${path}.away`);
    const { code, failures, checks } = await examine(fleet);
    await rename(`${path}.away`, path);
    expect({ code, failures }).toEqual({ code: 1, failures: ['master-key'] });
    expect(checks.find(({ ok }) => !ok)?.advice).toContain('Restore it');
  });

  it('is for admins', async () => {
    const { token } = await fleet.client.createToken({ body: { name: 'viewer', role: 'viewer' } });
    const { code, checks } = await examine(fleet, { AVIARY_TOKEN: token });
    expect(code).toBe(1);
    expect(checks.at(-1)).toMatchObject({ name: 'access', ok: false });
  });

  it('says when nobody is there', async () => {
    const { code, failures } = await examine(fleet, { AVIARY_SERVER: 'http://127.0.0.1:1', AVIARY_TOKEN: 'x' });
    expect({ code, failures }).toEqual({ code: 1, failures: ['api'] });
  });
});
