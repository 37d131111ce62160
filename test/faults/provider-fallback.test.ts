import type { TelemetryRecord } from '@aviary/protocol';
import { afterEach, expect, it } from 'vitest';
import { makePki } from '../../apps/agent/src/testing/fleet-pki.ts';
import { sealLightRelease } from '../../apps/agent/src/testing/sealed-light-release.ts';
import { identity } from '../../apps/agent/src/testing/sealed-release.ts';
import { DevicePlane } from './device-plane.ts';
import { REAL_PROGRAMS, RunningDevice } from './running-device.ts';
import { soon } from './soon.ts';
import { prepareState, StateFolders } from './state-folders.ts';

/** None of them is on a machine that runs these tests. */
const PROVIDERS = ['tensorrt', 'cuda', 'openvino'];

const folders = new StateFolders();
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  await folders.remove();
});

it('a board without the accelerators that a release asks for says on what it runs instead, and why', async () => {
  const release = await sealLightRelease('light-reader@1.0.0', { providers: PROVIDERS });
  const folder = await folders.make();
  await prepareState(folder, { committed: release.held }, [release]);
  const plane = new DevicePlane([release]);
  const pki = await makePki(identity.deviceId);
  const device = await RunningDevice.start(folder, plane, pki, { ...REAL_PROGRAMS, telemetrySeconds: 1 });
  ends.push(() => device.stop());

  await soon('the fallback is told', () => plane.events.includes('provider-fallback'));
  const told = (record: TelemetryRecord) => (record.type === 'event' ? [record] : []);
  const event = plane.records.flatMap(told).find(({ code }) => code === 'provider-fallback');
  expect(event).toMatchObject({ level: 'warning' });
  expect(event?.message).toContain('asked for tensorrt, cuda, openvino and runs on cpu');
  for (const provider of PROVIDERS) expect(event?.message).toMatch(new RegExp(`${provider}: \\S`));

  await soon('what runs is in each window', () => plane.records.some(({ type }) => type === 'metrics'));
  const [window] = plane.records.flatMap((record) => (record.type === 'metrics' ? [record] : []));
  expect(window?.provider).toEqual({ requested: PROVIDERS, effective: 'cpu' });
});
