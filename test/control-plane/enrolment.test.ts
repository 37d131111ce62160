import { createHash, createPublicKey } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exampleFacts } from '@aviary/hardware';
import { ApiError, deviceRoutes, type EnrollRequest, type JoinToken, parseJoinToken } from '@aviary/protocol';
import { ageRecipientOf, generateAgeIdentity, openHeader } from '@aviary/release';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeKey, requestFor } from '../../apps/agent/src/identity/credentials.ts';
import { type Identity, loadIdentity } from '../../apps/agent/src/identity/identity.ts';
import { joinFleet } from '../../apps/agent/src/identity/join.ts';
import { DeviceApi } from '../../apps/agent/src/link/device-api.ts';
import { runToEnd } from '../../apps/cli/src/demo/child-process.ts';
import { AGENT, TestFleet, until } from '../support/test-fleet.ts';

let fleet: TestFleet;
let caFingerprint: string;
let fleetCa: string;

beforeAll(async () => {
  fleet = await TestFleet.start();
  await fleet.addDevice('first', 'rpi5');
  await fleet.push({ version: '1.0.0', manner: 'sure' });
  ({ caFingerprint } = await fleet.client.listJoiningKeys({}));
  ({ fleetCa } = await loadIdentity(fleet.stateDirectory('first')));
});
afterAll(() => fleet.stop());

const facts = exampleFacts('rpi5');

const folderOf = async (name: string): Promise<string> => {
  const folder = fleet.stateDirectory(name);
  await mkdir(folder, { recursive: true });
  return folder;
};

const tokenFor = async (body: Parameters<typeof fleet.client.createJoinToken>[0]['body'] = {}): Promise<JoinToken> =>
  parseJoinToken((await fleet.client.createJoinToken({ body })).token);

const show = (id: string) => fleet.client.showDevice({ params: { id } });

const refusalOf = async (asking: Promise<unknown>) => {
  const error: unknown = await asking.then(
    (value) => new Error(`it was answered: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof ApiError) return error.problem;
  throw error;
};

/** What the route itself takes, past the agent. */
const enrollByHand = async (change: (asked: EnrollRequest) => EnrollRequest) => {
  const api = new DeviceApi(fleet.deviceUrl, { fleetCa });
  const ageIdentity = generateAgeIdentity();
  const csr = await requestFor(await makeKey());
  const recipient = ageRecipientOf(ageIdentity);
  const { secret } = await tokenFor();
  try {
    const { header, ...challenge } = await api.call(deviceRoutes.enrollChallenge, { body: { csr, recipient } });
    const answer = openHeader(Buffer.from(header, 'base64'), ageIdentity).toString('base64url');
    const asked: EnrollRequest = { secret, csr, recipient, name: 'by hand', facts, proof: { ...challenge, answer } };
    return await api.call(deviceRoutes.enroll, { body: change(asked) });
  } finally {
    api.close();
  }
};

describe('the age recipient', () => {
  it('is taken from who can open what is sealed to it', async () => {
    expect(await enrollByHand((asked) => asked)).toMatchObject({ epoch: 1 });
  });

  it.each<[string, (asked: EnrollRequest) => EnrollRequest]>([
    ['of somebody else', (asked) => ({ ...asked, recipient: ageRecipientOf(generateAgeIdentity()) })],
    ['with no answer', (asked) => ({ ...asked, proof: { ...asked.proof, answer: '' } })],
    ['with a guessed answer', (asked) => ({ ...asked, proof: { ...asked.proof, answer: 'AAAAAAAAAAAAAAAAAAAAAA' } })],
    ['with a longer time', (asked) => ({ ...asked, proof: { ...asked.proof, expiresAt: asked.proof.expiresAt + 1 } })],
  ])('%s is refused, and costs no token', async (_, change) => {
    let secret = '';
    const refusal = await refusalOf(
      enrollByHand((asked) => {
        secret = asked.secret ?? '';
        return change(asked);
      }),
    );
    expect(refusal).toMatchObject({ status: 400, code: 'recipient-unproved' });
    const hash = createHash('sha256').update(secret).digest('hex');
    const rows = await fleet.query<{ used_at: Date | null }>(
      `select used_at from join_token where encode(secret_hash, 'hex') = '${hash}'`,
    );
    expect(rows).toEqual([{ used_at: null }]);
  });

  it('is not proved for another key than the one that was asked for', async () => {
    const other = await requestFor(await makeKey());
    expect(await refusalOf(enrollByHand((asked) => ({ ...asked, csr: other })))).toMatchObject({
      code: 'recipient-unproved',
    });
  });
});

describe('a token for a profile', () => {
  it('is refused with a reason on another board, and good for the right one afterwards', async () => {
    const text = (await fleet.aviary('device', 'enroll-token', '--profile', 'rpi4', '-l', 'site=lyon')).trim();
    const token = parseJoinToken(text.split('\n').find((line) => line.startsWith('aviary-join.')) ?? '');
    const folder = await folderOf('profiled');
    const refusal = await refusalOf(joinFleet(folder, token, { name: 'x', facts }));
    expect(refusal).toMatchObject({ status: 409, code: 'profile-mismatch' });
    expect(refusal.detail).toMatch(/profile rpi4 may join.*match the profile rpi5/);
    const id = await joinFleet(folder, token, { name: 'x', facts: exampleFacts('rpi4') });
    expect(await show(id)).toMatchObject({ profile: 'rpi4', labels: { site: 'lyon' } });
  });

  it('of a profile that there is not is not made', async () => {
    await expect(fleet.aviary('device', 'enroll-token', '--profile', 'toaster')).rejects.toThrow(
      /Expected one of the profiles .*rpi5.*, got "toaster"/,
    );
  });
});

describe('joining again', () => {
  let before: Identity;

  it('needs a token for this very device', async () => {
    await fleet.ended(await fleet.rollOut('1.0.0'));
    await fleet.agents.get('first')?.stop();
    before = await loadIdentity(fleet.stateDirectory('first'));
    const state = fleet.stateDirectory('first');
    const refusal = await refusalOf(joinFleet(state, await tokenFor(), { name: undefined, facts }));
    expect(refusal).toMatchObject({ status: 409, code: 'board-has-identity' });
    expect(refusal.detail).toContain(`aviary device enroll-token --device ${before.deviceId}`);
    const other = (await fleet.client.listDevices({})).items.find(({ id }) => id !== before.deviceId)?.id ?? '';
    const wrong = await refusalOf(joinFleet(state, await tokenFor({ deviceId: other }), { name: undefined, facts }));
    expect(wrong).toMatchObject({ code: 'board-has-identity' });
    expect(await loadIdentity(state)).toEqual(before);
    await expect(tokenFor({ deviceId: 'd-nobody' })).rejects.toMatchObject({ code: 'device-unknown' });
  });

  it('raises the epoch, kills the certificate before, and keeps what the device serves', async () => {
    const { deviceId } = before;
    await fleet.client.revokeDevice({ params: { id: deviceId } });
    const [token] =
      (await fleet.aviary('device', 'enroll-token', '--device', deviceId)).match(/aviary-join\.\S+/) ?? [];
    const said = await runToEnd(AGENT, [
      ...['join', '--state-dir', fleet.stateDirectory('first'), '--token', token ?? ''],
      ...['--facts', join(fleet.directory, 'first', 'facts.json')],
    ]);
    expect(said).toContain(`joined as ${deviceId}`);
    const after = await loadIdentity(fleet.stateDirectory('first'));
    expect(after).toMatchObject({ deviceId, epoch: 2, ageIdentity: before.ageIdentity });
    const api = new DeviceApi(fleet.deviceUrl, before);
    expect(await refusalOf(api.call(deviceRoutes.assignment, {}))).toMatchObject({ code: 'device-unknown' });
    api.close();

    fleet.startAgent('first');
    const device = await until('the device coming back', 30, async () => {
      const shown = await show(deviceId);
      return shown.running?.release === 'grey@1.0.0' && shown.presence === 'online' ? shown : undefined;
    });
    expect(device).toMatchObject({ epoch: 2, revokedAt: null });
    expect(device.events.map(({ code }) => code)).not.toContain('assignment-refused');
    expect(await fleet.query(`select sequence::integer from assignment where device_id = '${deviceId}'`)).toEqual([
      { sequence: 1 },
    ]);
    await until('telemetry of the second epoch', 20, async () => {
      const rows = await fleet.query(`select 1 from telemetry_batch where device_id = '${deviceId}' and epoch = 2`);
      return rows.length > 1 ? true : undefined;
    });
    expect(await fleet.holes()).toEqual([]);
  });

  it('goes on with rollouts as before', async () => {
    await fleet.push({ version: '1.1.0', manner: 'sure' });
    const id = await fleet.rollOut('1.1.0', undefined, { target: `id=${before.deviceId}` });
    expect(await fleet.ended(id)).toMatchObject({ state: 'FINISHED' });
    expect(await show(before.deviceId)).toMatchObject({ running: { release: 'grey@1.1.0' } });
  });

  it('on a new board becomes the same device, which fetches what it is to run', async () => {
    await fleet.agents.get('first')?.stop();
    await rename(fleet.stateDirectory('first'), join(fleet.directory, 'lost'));
    const token = await tokenFor({ deviceId: before.deviceId });
    expect(await joinFleet(await folderOf('first'), token, { name: undefined, facts })).toBe(before.deviceId);
    fleet.startAgent('first');
    const device = await until('the new board serving', 30, async () => {
      const shown = await show(before.deviceId);
      return shown.running?.release === 'grey@1.1.0' && shown.presence === 'online' ? shown : undefined;
    });
    expect(device.epoch).toBe(3);
    const again = await refusalOf(joinFleet(await folderOf('other'), token, { name: undefined, facts }));
    expect(again.detail).toContain(`was used already, by device ${before.deviceId}`);
  });
});

const spki = (pem: string) => createPublicKey(pem).export({ type: 'spki', format: 'der' });

describe('a preauthorised key', () => {
  it('joins without a token, once, and becomes what was said', async () => {
    const state = await folderOf('gate');
    const printed = await runToEnd(AGENT, ['key', '--state-dir', state]);
    expect(await runToEnd(AGENT, ['key', '--state-dir', state])).toBe(printed);
    const [publicKey = ''] = /-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/.exec(printed) ?? [];
    const file = join(fleet.directory, 'gate.pub');
    await writeFile(file, `${publicKey}\n`);
    const said = await fleet.aviary(
      'device',
      'preauthorize',
      file,
      '--name',
      'gate 3',
      '-l',
      'site=lyon',
      '--profile',
      'rpi5',
    );
    const [, command = ''] = /aviary-agent (join --server \S+ --ca-fingerprint \S+)/.exec(said) ?? [];
    const where = ['--state-dir', state, '--facts', join(fleet.directory, 'first', 'facts.json')];
    expect(await runToEnd(AGENT, [...command.split(' '), ...where, '--model', 'grey'])).toContain('joined as d-');
    const { deviceId, key, models } = await loadIdentity(state);
    expect(spki(key)).toEqual(spki(publicKey));
    expect(models).toEqual(['grey']);
    expect(await show(deviceId)).toMatchObject({ name: 'gate 3', labels: { site: 'lyon' }, profile: 'rpi5' });
    const status = await runToEnd(AGENT, ['status', '--state-dir', state]);
    expect(status).toMatch(/takes {6}releases of grey/);
    await expect(runToEnd(AGENT, ['key', '--state-dir', state])).rejects.toThrow('has joined already');
    await expect(fleet.aviary('device', 'preauthorize', file)).rejects.toThrow(/has joined already, as device/);
  });

  it('whose answer was lost joins again as the same device, until that was seen', async () => {
    const state = await folderOf('lossy');
    await runToEnd(AGENT, ['key', '--state-dir', state]);
    const key = await readFile(join(state, 'joining', 'device.key'), 'utf8');
    const age = await readFile(join(state, 'joining', 'age.key'), 'utf8');
    const publicKey = createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
    await fleet.client.preauthorizeKey({ body: { publicKey } });
    const invitation = { url: fleet.deviceUrl, caFingerprint };
    /** The board as it was before it heard anything. */
    const forget = async (): Promise<void> => {
      await rm(join(state, 'identity'), { recursive: true });
      await mkdir(join(state, 'joining'));
      await writeFile(join(state, 'joining', 'device.key'), key);
      await writeFile(join(state, 'joining', 'age.key'), age);
    };
    const id = await joinFleet(state, invitation, { name: undefined, facts });
    await forget();
    expect(await joinFleet(state, invitation, { name: undefined, facts })).toBe(id);
    const identity = await loadIdentity(state);
    expect(identity.epoch).toBe(2);
    const api = new DeviceApi(fleet.deviceUrl, identity);
    expect(await refusalOf(api.call(deviceRoutes.assignment, {}))).toMatchObject({ code: 'assignment-unknown' });
    api.close();
    await forget();
    const refusal = await refusalOf(joinFleet(state, invitation, { name: undefined, facts }));
    expect(refusal).toMatchObject({ code: 'key-used' });
    expect(refusal.detail).toContain(`enroll-token --device ${id}`);
  });

  it('is nothing but a P-256 key', async () => {
    const file = join(fleet.directory, 'wrong.pub');
    await writeFile(file, 'no key');
    await expect(fleet.aviary('device', 'preauthorize', file)).rejects.toThrow('Expected a public key in PEM');
    await writeFile(file, '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----');
    await expect(fleet.aviary('device', 'preauthorize', file)).rejects.toThrow('this does not parse');
  });
});

describe('a board that nobody knows', () => {
  const invitation = () => ({ url: fleet.deviceUrl, caFingerprint });

  it('waits until its whole fingerprint is approved', async () => {
    const state = await folderOf('stranger');
    let shown: (fingerprint: string) => void = () => undefined;
    const pending = new Promise<string>((resolve) => {
      shown = resolve;
    });
    const joining = joinFleet(state, invitation(), { name: 'stranger', facts, onPending: shown });
    const fingerprint = await pending;
    expect(await fleet.aviary('device', 'pending')).toMatch(
      new RegExp(`${fingerprint} +stranger +rpi5 +127\\.0\\.0\\.1`),
    );
    await expect(fleet.aviary('device', 'approve', fingerprint.slice(0, 12))).rejects.toThrow('the whole fingerprint');
    await expect(fleet.aviary('device', 'approve', 'a'.repeat(64))).rejects.toThrow('There is no key');
    const colons = (fingerprint.toUpperCase().match(/../g) ?? []).join(':');
    expect(await fleet.aviary('device', 'approve', colons, '--name', 'known', '-l', 'site=metz')).toContain('may join');
    const id = await joining;
    expect(await show(id)).toMatchObject({ name: 'known', labels: { site: 'metz' }, epoch: 1 });
    expect(JSON.parse(await fleet.aviary('device', 'pending', '-o', 'json'))).toEqual([]);
  });

  it('ends when it is rejected', async () => {
    const state = await folderOf('unwanted');
    const joining = joinFleet(state, invitation(), {
      ...{ name: 'unwanted', facts },
      onPending: (fingerprint) => void fleet.aviary('device', 'reject', fingerprint),
    });
    expect(await refusalOf(joining)).toMatchObject({ status: 403, code: 'enrolment-rejected' });
    expect(await refusalOf(joinFleet(state, invitation(), { name: 'unwanted', facts }))).toMatchObject({
      code: 'enrolment-rejected',
    });
  });

  it('cannot fill the list', async () => {
    const api = new DeviceApi(fleet.deviceUrl, { fleetCa });
    const codes: string[] = [];
    for (let board = 0; board < 14; board += 1) {
      const ageIdentity = generateAgeIdentity();
      const [csr, recipient] = [await requestFor(await makeKey()), ageRecipientOf(ageIdentity)];
      const { header, ...rest } = await api.call(deviceRoutes.enrollChallenge, { body: { csr, recipient } });
      const answer = openHeader(Buffer.from(header, 'base64'), ageIdentity).toString('base64url');
      const body = { csr, recipient, name: `board ${board}`, facts, proof: { ...rest, answer } };
      codes.push((await refusalOf(api.call(deviceRoutes.enroll, { body }))).code);
      if (board === 0) codes.push((await refusalOf(api.call(deviceRoutes.enroll, { body }))).code);
    }
    api.close();
    expect(codes.slice(0, 2)).toEqual(['enrolment-pending', 'asked-too-soon']);
    expect(codes.at(-1)).toBe('too-many-pending');
    const { items } = await fleet.client.listJoiningKeys({});
    expect(items.filter(({ state }) => state === 'PENDING').length).toBeLessThanOrEqual(10);
  });

  it('is forgotten when it does not ask any more', async () => {
    await fleet.query(`update joining_key set expires_at = now() - interval '1 s' where state = 'PENDING'`);
    expect(JSON.parse(await fleet.aviary('device', 'pending', '-o', 'json'))).toEqual([]);
  });
});

describe('a device for one model line', () => {
  it('refuses releases of another, whoever assigns them', async () => {
    const home = join(fleet.directory, 'picky');
    await fleet.addDevice('picky', 'rpi5', false, ['--model', 'meter-reader']);
    const { deviceId } = await loadIdentity(join(home, 'state'));
    const id = await fleet.rollOut('1.0.0', undefined, { target: `id=${deviceId}`, onFailure: 'pause' });
    const execution = await until('the refusal', 30, async () => {
      const { items } = await fleet.client.deviceExecutions({ params: { id: deviceId } });
      return items[0]?.state === 'REJECTED' ? items[0] : undefined;
    });
    expect(execution.reason).toContain('the release is of model grey, this device was enrolled for meter-reader');
    expect((await show(deviceId)).running).toBeNull();
    await fleet.client.actOnRollout({ params: { id, action: 'abort' } });
  });
});
