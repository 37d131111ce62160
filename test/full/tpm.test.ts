import { spawn } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { decodeAgeIdentity } from '@aviary/release';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Identity, loadEnrolment, loadIdentity } from '../../apps/agent/src/identity/identity.ts';
import { readPreparedKeys } from '../../apps/agent/src/identity/prepared-keys.ts';
import { ask } from '../../apps/agent/src/testing/local-client.ts';
import { Tpm } from '../../apps/agent/src/tpm/tpm.ts';
import { TpmTools } from '../../apps/agent/src/tpm/tpm-tools.ts';
import { AGENT, TestFleet, until } from '../support/test-fleet.ts';
import { TestTpm } from '../support/test-tpm.ts';

/** A fleet and some TPMs, on a machine that has much else to do. */
const LONG_MS = 300_000;
/** Renewed after 40 to 45 of them: time for the rollout and two starts before. */
const CERTIFICATE_SECONDS = 60;

let fleet: TestFleet;
const tpms: TestTpm[] = [];

/** A board with a TPM of its own. */
const addTpm = async (name: string): Promise<TestTpm> => {
  const tpm = new TestTpm(join(fleet.directory, `${name}-tpm`));
  tpms.push(tpm);
  await tpm.start();
  fleet.agentOptions.set(name, ['--tcti', tpm.tcti]);
  return tpm;
};

const opener = ({ tcti }: TestTpm): Tpm => new Tpm(new TpmTools(tcti));

/** Waits until an agent that was started has its keys: swtpm serves one program at a time. */
const isUp = (name: string): Promise<true> =>
  until(`the start of ${name}`, 60, async () => {
    if (fleet.agents.get(name)?.ended !== undefined) return true;
    const log = await readFile(join(fleet.directory, name, 'agent.log'), 'utf8');
    return log.lastIndexOf('"started"') > log.lastIndexOf('"stopped"') ? true : undefined;
  });

const identityOf = async (name: string, tpm: TestTpm): Promise<Identity> => {
  if (fleet.agents.has(name)) await isUp(name);
  return loadIdentity(fleet.stateDirectory(name), opener(tpm));
};

/** What of a device's keys nobody may find on its disk, in the ways in which it could lie there. */
const traces = ({ key, ageIdentity }: Pick<Identity, 'key' | 'ageIdentity'>): Buffer[] => {
  const { d } = createPrivateKey(key).export({ format: 'jwk' });
  const lines = key.split('\n').filter((line) => line.length > 0 && !line.startsWith('-'));
  const raw = [Buffer.from(d ?? '', 'base64url'), Buffer.from(decodeAgeIdentity(ageIdentity))];
  const written = raw.flatMap((bytes) => [bytes.toString('base64').replace(/=+$/, ''), bytes.toString('hex')]);
  return [
    ...raw,
    ...[...written, ...lines, ageIdentity, d ?? '', 'PRIVATE KEY', 'AGE-SECRET'].map((text) => Buffer.from(text)),
  ];
};

/** Files below a folder in which one of `needles` is. */
const filesWith = async (folder: string, needles: readonly Buffer[]): Promise<string[]> => {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    // A spool's file may be gone by now.
    const content = await readFile(join(entry.parentPath, entry.name)).catch(() => undefined);
    if (needles.some((needle) => content?.includes(needle))) found.push(entry.name);
  }
  return found.sort();
};

/** Runs the agent of a state directory, which is not to come up. @returns how it ended and what it said */
const runAgent = async (stateDirectory: string, tcti: string) => {
  const where = ['--state-dir', stateDirectory, '--tcti', tcti, '--source', `dir:${stateDirectory}`];
  const child = spawn(process.execPath, [AGENT, 'run', ...where], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  return { code, said };
};

const isOnline = async (name: string): Promise<true> =>
  until(`${name} online`, 60, async () => {
    const devices = await fleet.devices();
    return devices.find((device) => device.name === name)?.presence === 'online' ? true : undefined;
  });

beforeAll(async () => {
  fleet = await TestFleet.start('--device-cert-seconds', `${CERTIFICATE_SECONDS}`);
}, LONG_MS);
afterAll(async () => {
  await fleet?.stop();
  for (const tpm of tpms) await tpm.stop();
});

describe('a device that joined with --seal tpm', { timeout: LONG_MS }, () => {
  let tpm: TestTpm;
  let first: Identity;

  it('is rolled out to, and no key of it lies on the disk', async () => {
    tpm = await addTpm('sealed');
    await fleet.addDevice('sealed', 'rpi5', true, ['--seal', 'tpm']);
    first = await identityOf('sealed', tpm);
    await fleet.push({ version: '1.0.0', manner: 'sure' });
    expect((await fleet.ended(await fleet.rollOut('1.0.0'))).state).toBe('FINISHED');
    await fleet.allRun('grey@1.0.0');
    expect(await filesWith(fleet.stateDirectory('sealed'), traces(first))).toEqual([]);
    expect(await fleet.agent('sealed', 'status')).toContain('keys       sealed by the TPM\n');
    expect(await tpm.sessions()).toBe(0);
  });

  it('goes on after a restart, also of its board', async () => {
    await fleet.agents.get('sealed')?.stop();
    await tpm.stop();
    await tpm.start();
    fleet.startAgent('sealed');
    await isOnline('sealed');
    await fleet.allRun('grey@1.0.0');
  });

  it('renews its certificate with a key that is sealed as well', async () => {
    const second = await until('a renewal', 2 * CERTIFICATE_SECONDS, async () => {
      const now = await identityOf('sealed', tpm);
      return now.certificate === first.certificate ? undefined : now;
    });
    expect(second.key).not.toBe(first.key);
    expect(second).toMatchObject({ epoch: 1, ageIdentity: first.ageIdentity });
    const fingerprint = new X509Certificate(second.certificate).fingerprint256.replaceAll(':', '').toLowerCase();
    await until('the device with its new key', 30, async () => {
      const { certificate, presence } = await fleet.client.showDevice({ params: { id: second.deviceId } });
      return certificate.fingerprint === fingerprint && presence === 'online' ? true : undefined;
    });
    for (const one of [first, second]) {
      expect(await filesWith(fleet.stateDirectory('sealed'), traces(one))).toEqual([]);
    }
  });

  it('joins again, and keeps its keys as before', async () => {
    await fleet.agents.get('sealed')?.stop();
    await fleet.joinAgain('sealed');
    const again = await identityOf('sealed', tpm);
    expect(again).toMatchObject({ epoch: 2, ageIdentity: first.ageIdentity });
    await fleet.allRun('grey@1.0.0');
    expect(await filesWith(fleet.stateDirectory('sealed'), traces(again))).toEqual([]);
  });

  it('does not start on another board, with or without a TPM', async () => {
    const { deviceId } = await loadEnrolment(fleet.stateDirectory('sealed'));
    const copy = join(fleet.directory, 'copied card');
    // The device runs: what waits to be sent comes and goes while it is copied.
    const isCopied = (path: string): boolean => !path.endsWith('.lock') && basename(path) !== 'spool';
    await cp(fleet.stateDirectory('sealed'), copy, { recursive: true, filter: isCopied });
    const thief = await addTpm('thief');
    const elsewhere = await runAgent(copy, thief.tcti);
    expect(elsewhere.said).toContain(
      `The keys of this device (${deviceId}) are sealed by a TPM, and this TPM has not sealed them: it is the one of another board`,
    );
    expect(elsewhere.said).toContain(`aviary device enroll-token --device ${deviceId}, then aviary-agent join`);
    expect(elsewhere.said).not.toMatch(/\n\s+at /);
    expect(elsewhere.code).toBe(1);
    const without = await runAgent(copy, `device:${join(fleet.directory, 'tpmrm0')}`);
    expect(without).toMatchObject({ code: 1, said: expect.stringContaining('There is no TPM at') });
    const silent = await runAgent(copy, `swtpm:path=${join(fleet.directory, 'nobody')}`);
    expect(silent).toMatchObject({ code: 1, said: expect.stringContaining('No TPM answers at swtpm:path=') });
    // What it was copied from is none the worse.
    expect((await loadIdentity(copy, opener(tpm))).deviceId).toBe(deviceId);
  });

  it('whose TPM was cleared says so, and becomes the same device with new keys', async () => {
    const before = await identityOf('sealed', tpm);
    await fleet.agents.get('sealed')?.stop();
    await tpm.clear();
    const { code, said } = await runAgent(fleet.stateDirectory('sealed'), tpm.tcti);
    expect({ code, said }).toMatchObject({ code: 1, said: expect.stringContaining('it was cleared since') });
    await fleet.joinAgain('sealed');
    const after = await identityOf('sealed', tpm);
    expect(after).toMatchObject({ deviceId: before.deviceId, epoch: 3 });
    expect(after.ageIdentity).not.toBe(before.ageIdentity);
    // What it had was sealed to the age identity of before, and comes once more.
    await until('the release serving again', 60, async () => {
      const { body } = await ask(fleet.socketOf('sealed'), 'GET', '/healthz');
      return body.status === 'serving' ? true : undefined;
    });
    await fleet.push({ version: '1.1.0', manner: 'sure' });
    expect((await fleet.ended(await fleet.rollOut('1.1.0'))).state).toBe('FINISHED');
    await fleet.allRun('grey@1.1.0');
    expect(await filesWith(fleet.stateDirectory('sealed'), traces(after))).toEqual([]);
  });
});

describe('aviary-agent seal-keys', { timeout: LONG_MS }, () => {
  let tpm: TestTpm;
  let open: Identity;
  const state = () => fleet.stateDirectory('filed');

  it('seals keys that lay in files; the device stays what it is', async () => {
    tpm = await addTpm('filed');
    await fleet.addDevice('filed', 'rpi4');
    await isOnline('filed');
    await fleet.agents.get('filed')?.stop();
    open = await identityOf('filed', tpm);
    expect(await filesWith(state(), traces(open))).toEqual(['age.key', 'device.pem']);
    expect(await fleet.agent('filed', 'seal-keys')).toBe('keys sealed by the TPM\n');
    const { keeping: _, ...kept } = open;
    expect(await identityOf('filed', tpm)).toMatchObject(kept);
    expect(await filesWith(state(), traces(open))).toEqual([]);
    fleet.startAgent('filed');
    await isOnline('filed');
    await fleet.agents.get('filed')?.stop();
  });

  it('killed at any moment of the exchange leaves keys that can be read, in one form', async () => {
    const { keeping: _, ...kept } = await identityOf('filed', tpm);
    for (let late = 0; late < 24; late += 3) {
      const child = spawn(process.execPath, [AGENT, 'seal-keys', '--state-dir', state(), '--tcti', tpm.tcti]);
      const gone = once(child, 'close');
      let ended = false;
      child.once('close', () => {
        ended = true;
      });
      // It appears when the new keys are about to be written.
      while (!ended && !(await readdir(state())).some((name) => name.startsWith('identity.'))) await pause(1);
      await pause(late);
      child.kill('SIGKILL');
      await gone;
      expect(await identityOf('filed', tpm), `after ${late} ms`).toMatchObject(kept);
      expect(await filesWith(state(), traces(open))).toEqual([]);
    }
  });

  it('binds to PCRs, and frees from them', async () => {
    await expect(fleet.agent('filed', 'seal-keys', '--tpm-pcrs', 'sha256:7')).rejects.toThrow(
      'PCR 7 has never been written',
    );
    await tpm.measure('secure boot on', 7);
    expect(await fleet.agent('filed', 'seal-keys', '--tpm-pcrs', 'sha256:7')).toContain('bound to the PCRs sha256:7');
    expect(await fleet.agent('filed', 'status')).toContain('sealed by the TPM, bound to the PCRs sha256:7');
    // Another start, with other firmware.
    await tpm.stop();
    await tpm.start();
    await tpm.measure('secure boot off', 7);
    await expect(fleet.agent('filed', 'status')).rejects.toThrow('the PCRs that they are bound to have changed');
    // And one as before.
    await tpm.stop();
    await tpm.start();
    await tpm.measure('secure boot on', 7);
    expect(await fleet.agent('filed', 'seal-keys')).toBe('keys sealed by the TPM\n');
    await tpm.measure('an update', 7);
    expect(await fleet.agent('filed', 'status')).toContain('keys       sealed by the TPM\n');
    expect(await tpm.sessions()).toBe(0);
  });

  it('does not open without the PCRs for who leaves them out of seal.json', async () => {
    await fleet.agent('filed', 'seal-keys', '--tpm-pcrs', 'sha256:7');
    const file = join(state(), 'identity', 'seal.json');
    const seal = await readFile(file, 'utf8');
    await writeFile(file, JSON.stringify({ ...JSON.parse(seal), pcrs: null }));
    await expect(identityOf('filed', tpm)).rejects.toThrow('tpm2_unseal failed');
    await writeFile(file, seal);
    expect((await identityOf('filed', tpm)).ageIdentity).toBe(open.ageIdentity);
  });
});

describe('aviary-agent key --seal tpm', { timeout: LONG_MS }, () => {
  it('makes a key that was never open, with which the board joins', async () => {
    const tpm = await addTpm('workshop');
    const state = fleet.stateDirectory('workshop');
    const key = await fleet.agent('workshop', 'key', '--seal', 'tpm');
    const prepared = await readPreparedKeys(state, opener(tpm));
    if (prepared === undefined) throw new Error('no key was made');
    expect(await filesWith(state, traces(prepared))).toEqual([]);
    const file = join(fleet.directory, 'board.pub');
    await writeFile(file, key);
    const said = await fleet.aviary('device', 'preauthorize', file);
    const [, fingerprint = ''] = /--ca-fingerprint ([0-9a-f]+)/.exec(said) ?? [];
    const server = ['--server', fleet.deviceUrl, '--ca-fingerprint', fingerprint];
    await tpm.measure('secure boot on', 7);
    const sealing = ['--seal', 'tpm', '--tpm-pcrs', 'sha256:7'];
    expect(await fleet.agent('workshop', 'join', ...server, ...sealing)).toMatch(/^joined as d-/);
    const identity = await identityOf('workshop', tpm);
    expect(identity.key.trim()).toBe(prepared.key.trim());
    expect(identity.keeping.seal?.pcrs).toBe('sha256:7');
    expect(await filesWith(state, traces(identity))).toEqual([]);
    expect(await readdir(state)).not.toContain('joining');
  });

  it('cannot be read on another board', async () => {
    const tpm = await addTpm('other');
    await fleet.agent('other', 'key', '--seal', 'tpm');
    const elsewhere = await addTpm('elsewhere');
    await cp(fleet.stateDirectory('other'), fleet.stateDirectory('elsewhere'), { recursive: true });
    await expect(fleet.agent('elsewhere', 'key')).rejects.toThrow('Remove that folder, and make another key');
    expect(await readPreparedKeys(fleet.stateDirectory('elsewhere'), opener(tpm))).toBeDefined();
    await expect(readPreparedKeys(fleet.stateDirectory('elsewhere'), opener(elsewhere))).rejects.toThrow('sealed');
  });
});
