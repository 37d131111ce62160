import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { exampleFacts } from '@aviary/hardware';
import { parseJoinToken } from '@aviary/protocol';
import { joinFleet } from '../../../apps/agent/src/identity/join.ts';
import { PROBATION, type TestFleet, until } from '../../support/test-fleet.ts';
import { writeLargeTestModel } from '../../support/test-model.ts';

/** A device that has joined and has a release of some size waiting for it; nothing of it runs. */
export interface WaitingDevice {
  readonly stateDirectory: string;
  /** The sealed bytes: their SHA-256, hex, and how many they are. */
  readonly release: { readonly sha256: string; readonly length: number };
}

/**
 * Pushes a release whose model has so many bytes, and assigns it to a device of its own, all by the control plane's
 * ordinary ways.
 */
export const assignLargeRelease = async (fleet: TestFleet, bytes: number): Promise<WaitingDevice> => {
  const name = `mb${Math.round(bytes / 2 ** 20)}`;
  const version = `1.0.0-${name}`;
  const stateDirectory = join(fleet.directory, name);
  await mkdir(stateDirectory);
  const { token } = await fleet.client.createJoinToken({ body: { labels: { size: name } } });
  await joinFleet(stateDirectory, parseJoinToken(token), { name, facts: exampleFacts('rpi5') });
  const folder = await writeLargeTestModel(fleet.directory, version, bytes);
  await fleet.aviary('model', 'push', folder, '--key', fleet.keyPath);
  // The device says nothing of what it does, and what it was assigned has to stay with it meanwhile.
  const strategy = { waves: [{ size: '100%', soak: '0s' }], deadline: '1h', probation: PROBATION };
  const rollout = await fleet.rollOut(version, undefined, { target: `size=${name}`, strategy });
  await until(`the assignment of ${version}`, 30, async () => {
    const { waves } = await fleet.client.showRollout({ params: { id: rollout } });
    return waves.some(({ state }) => state === 'RUNNING') ? true : undefined;
  });
  const { variants } = await fleet.client.showRelease({ params: { release: `grey@${version}` } });
  const [release] = variants;
  if (release === undefined) throw new Error(`expected a variant of grey@${version}, found none`);
  return { stateDirectory, release };
};
