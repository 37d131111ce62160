import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Journal } from './state/journal.ts';
import { sealLightRelease } from './testing/sealed-light-release.ts';
import { identity, type SealedRelease } from './testing/sealed-release.ts';
import { supervisedDevices } from './testing/supervised-device.ts';

const { prepare, start, storingGateway } = supervisedDevices();
let light: SealedRelease;

beforeAll(async () => {
  light = await sealLightRelease('light-reader@1.0.0');
});

/** Processes that this one has started and that still run. */
const children = (): number =>
  readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(parent) === process.pid && state !== 'Z';
    } catch {
      return false;
    }
  }).length;

describe('the supervisor', () => {
  it('serves what is committed without a control plane, and tells all of it once there is a gateway', async () => {
    const before = children();
    const { options } = await prepare(light);
    const { mqttUrl, records } = await storingGateway();
    const supervisor = await start(options, { mqttUrl });
    await expect
      .poll(() => records().map(({ type }) => type), { timeout: 20_000 })
      .toEqual(expect.arrayContaining(['facts', 'running', 'metrics']));
    const running = records().findLast((record) => record.type === 'running');
    expect(running).toMatchObject({ release: 'light-reader@1.0.0', digest: light.held.digest });
    const metrics = records().find((record) => record.type === 'metrics');
    expect(metrics).toMatchObject({ release: 'light-reader@1.0.0', errors: 0, provider: { effective: 'cpu' } });
    const codes = records().flatMap((record) => (record.type === 'event' ? record.code : []));
    expect(codes).toContain('plaintext-on-disk');
    expect(codes.filter((code) => code === 'capture-flowing')).toHaveLength(1);
    expect(children()).toBeGreaterThanOrEqual(before + 2);
    const opened = join(options.stateDirectory, 'plain', `aviary-${identity.deviceId}`, light.held.digest);
    expect(existsSync(join(opened, 'manifest.json'))).toBe(true);

    await supervisor.stop();
    expect(children()).toBe(before);
    expect(await readdir(join(options.stateDirectory, 'plain'))).toEqual([]);
  });

  it('brings back a worker that was killed', async () => {
    const { options } = await prepare(light);
    const { mqttUrl, records } = await storingGateway();
    await start(options, { mqttUrl });
    const runs = () => records().flatMap((record) => (record.type === 'running' ? [record.release] : []));
    await expect.poll(runs, { timeout: 20_000 }).toEqual(['light-reader@1.0.0']);
    const worker = readdirSync('/proc').find((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8');
        return command.includes('worker-main') && command.includes(options.stateDirectory);
      } catch {
        return false;
      }
    });
    process.kill(Number(worker), 'SIGKILL');
    await expect.poll(runs, { timeout: 20_000 }).toEqual(['light-reader@1.0.0', null, 'light-reader@1.0.0']);
    const codes = records().flatMap((record) => (record.type === 'event' ? record.code : []));
    expect(codes).toContain('worker-lost');
  });

  it('ends at once when it has hardly begun, with nothing left behind', async () => {
    const before = children();
    const { options } = await prepare(light);
    const supervisor = await start(options);
    await supervisor.stop();
    await expect.poll(children, { timeout: 5_000 }).toBe(before);
  });

  it('says that its journal was damaged, and goes on with the state before', async () => {
    const { stateDirectory, options } = await prepare(light);
    const journal = await Journal.open(stateDirectory, identity);
    await journal.update(() => ({ sequence: 3 }));
    await writeFile(join(stateDirectory, 'journal.json'), '{"version":');
    const { mqttUrl, records } = await storingGateway();
    await start(options, { mqttUrl });
    await expect
      .poll(() => records().map((record) => (record.type === 'event' ? record.code : record.type)), { timeout: 20_000 })
      .toEqual(expect.arrayContaining(['journal-damaged', 'running']));
    expect(await readdir(stateDirectory)).toContain('journal.json.damaged');
  });
});
