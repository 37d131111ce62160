import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { Identity } from '../../apps/agent/src/identity/identity.ts';
import { makePki } from '../../apps/agent/src/testing/fleet-pki.ts';
import { recordsOf } from '../../apps/agent/src/testing/records.ts';
import { identity } from '../../apps/agent/src/testing/sealed-release.ts';
import { DevicePlane } from './device-plane.ts';
import { a, b, c } from './device-story.ts';
import { PatientDevice, WINDOW_SECONDS } from './patient-device.ts';
import { prepareState, StateFolders } from './state-folders.ts';

const HOURS = 7 * 24;
/** A quarter of what a week’s windows take, and more than its events. */
const SPOOL_BYTES = 2 * 2 ** 20;
/** Set aside for a full disk, and the few files beside what waits. */
const BESIDE_BYTES = 600 * 1024;

const folders = new StateFolders();
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await folders.remove();
});

const bytesIn = async (folder: string): Promise<number> => {
  const blocks = (await readdir(folder)).map(async (name) => Math.ceil((await stat(join(folder, name))).size / 4096));
  return (await Promise.all(blocks)).reduce((sum, count) => sum + 4096 * count, 0);
};

it('a week without a network: the device serves, keeps what happened within its bound, and comes to what is newest', async () => {
  const folder = await folders.make();
  await prepareState(folder, { committed: a.held, rollbackFloor: 2 }, [a]);
  const pki = await makePki(identity.deviceId);
  const plane = new DevicePlane([a, b, c]);
  const urls = await plane.start(pki);
  ends.push(() => plane.stop());
  const who: Identity = { ...identity, ...urls, fleetCa: pki.fleetCa, ...pki.device };
  const device = await PatientDevice.start(folder, who, SPOOL_BYTES);
  ends.push(() => device.stop());
  await device.until('a connection, and a first window', () => recordsOf(plane.records, 'metrics').length > 0);
  expect(device.serves).toBe(a.statement.release);
  await plane.stop();

  let fullest = 0;
  const said: string[] = [];
  for (let hour = 0; hour < HOURS; hour += 1) {
    const what = `door ${hour}`;
    said.push(what);
    device.member.tell('warning', 'door-open', what);
    await device.pass(3_600);
    fullest = Math.max(fullest, await bytesIn(join(folder, 'spool')));
    expect(device.serves).toBe(a.statement.release);
  }
  expect(fullest).toBeLessThan(SPOOL_BYTES + BESIDE_BYTES);
  expect(fullest).toBeGreaterThan(SPOOL_BYTES / 2);

  // Each of these was the newest for a while.
  plane.assign(b, 1);
  plane.assign(c, 2);
  const portOf = (url: string): number => Number(new URL(url).port);
  await plane.start(pki, { device: portOf(urls.deviceUrl), mqtt: portOf(urls.mqttUrl) });
  const outcomes = () => recordsOf(plane.records, 'execution').map(({ state }) => state);
  await device.until('the newest release', () => outcomes().includes('SUCCEEDED'));

  expect(device.serves).toBe(c.statement.release);
  expect(device.journal.state).toMatchObject({ committed: { release: c.statement.release }, sequence: 2 });
  expect(recordsOf(plane.records, 'running').map(({ release }) => release)).not.toContain(b.statement.release);
  // Everything that happened, once and in its order, before what happened since.
  const events = recordsOf(plane.records, 'event');
  expect(events.flatMap(({ code, message }) => (code === 'door-open' ? message : []))).toEqual(said);
  expect(events.filter(({ code }) => code === 'hour')).toHaveLength(HOURS);
  expect(plane.batches.map(({ seq }) => seq)).toEqual([...plane.batches.map(({ seq }) => seq)].sort((x, y) => x - y));
  // Of the windows, the newest ones and how many there are no more.
  const windows = recordsOf(plane.records, 'metrics');
  const gone = recordsOf(plane.records, 'gap').reduce((sum, { thinned }) => sum + (thinned.metrics ?? 0), 0);
  const passed = (HOURS * 3_600) / WINDOW_SECONDS;
  expect(windows.length + gone).toBeGreaterThanOrEqual(passed);
  expect(gone).toBeGreaterThan(passed / 2);
  const times = windows.map(({ at }) => at);
  expect(times).toEqual(times.toSorted((x, y) => x - y));
});
