import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exampleFacts } from '@aviary/hardware';
import { describe, expect, it } from 'vitest';
import { openSampleStore } from './learning/sample-store.ts';
import { Journal } from './state/journal.ts';
import { makePki } from './testing/fleet-pki.ts';
import { heldRelease } from './testing/releases.ts';
import { identity } from './testing/sealed-release.ts';
import { temporaryFolders } from './testing/temporary-folder.ts';

const makeFolder = temporaryFolders();
const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

/** Runs the agent from its source to its end. */
const agent = async (...args: string[]) => {
  const { AVIARY_JOIN_TOKEN: _, AVIARY_SOURCE: __, ...env } = process.env;
  const child = spawn(process.execPath, ['--conditions=aviary-source', MAIN, ...args], { env });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const [code] = await once(child, 'close');
  return { code, output };
};

/** A state directory of a device that has joined a fleet which is away. */
const joined = async (): Promise<string> => {
  const folder = await makeFolder();
  await mkdir(join(folder, 'identity'));
  const { deviceId, epoch, deviceUrl, mqttUrl, root, ageIdentity } = identity;
  const { device } = await makePki(deviceId);
  const files = {
    'enrolment.json': JSON.stringify({ deviceId, epoch, deviceUrl, mqttUrl, root }),
    'device.pem': `${device.certificate}\n${device.key}`,
    'fleet-ca.crt': '',
    'age.key': `${ageIdentity}\n`,
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, 'identity', name), content);
  await writeFile(join(folder, 'facts.json'), JSON.stringify(exampleFacts('rpi4')));
  return folder;
};

const runArguments = (folder: string): string[] => [
  'run',
  '--state-dir',
  folder,
  '--facts',
  join(folder, 'facts.json'),
  '--source',
  `dir:${folder}`,
  '--plaintext-dir',
  folder,
];

/** The same, without pictures to read. */
const blindArguments = (folder: string): string[] =>
  runArguments(folder).map((arg) => (arg === `dir:${folder}` ? 'none' : arg));

describe('aviary-agent', () => {
  it.each([
    [[], 'Expected join, key, seal-keys, run, status or check-sidecar.'],
    [['fly'], 'Expected join, key, seal-keys, run, status or check-sidecar, got "fly".'],
    [['run', 'status'], 'Expected one command, got "run status".'],
    [['run', '--speed', '3'], "Unknown option '--speed'"],
    [['join'], 'Expected --token TOKEN (make one with: aviary device enroll-token), or --server URL'],
    [['join', '--token', 'gibberish'], 'token'],
    [['join', '--server', 'https://f.example:1'], 'Expected both --server URL and --ca-fingerprint HEX.'],
    [['join', '--ca-fingerprint', 'a'.repeat(64)], 'Expected both --server URL and --ca-fingerprint HEX.'],
    [['join', '--server', 'f.example', '--ca-fingerprint', 'a'], 'for --server, got "f.example"'],
    [['join', '--server', 'https://f.example', '--ca-fingerprint', 'a'], 'Expected 64 hex digits'],
    [['join', '--server', 'https://f.example', '--ca-fingerprint', 'a', '--token', 'x'], 'got both'],
    [['join', '--server', 'https://f.example', '--ca-fingerprint', 'a'.repeat(64), '--model', 'X Y'], 'for --model'],
    [['key', '--seal', 'yubikey'], 'Expected --seal tpm, got "yubikey".'],
    [['key', '--tpm-pcrs', 'sha256:7'], 'Expected --seal tpm beside --tpm-pcrs.'],
    [['key', '--seal', 'tpm', '--tpm-pcrs', '7'], 'such as sha256:7 or sha256:0,7 for --tpm-pcrs, got "7".'],
    [['seal-keys', '--tpm-pcrs', 'sha256:24'], 'for --tpm-pcrs, got "sha256:24".'],
    [['run'], 'Expected --source dir:PATH, ffmpeg:INPUT, gst:PIPELINE or none, got nothing.'],
    [['run', '--source', '/pictures'], 'gst:PIPELINE or none, got "/pictures".'],
    [['run', '--source', 'rtsp://ana:secret@cam/1'], 'gst:PIPELINE or none, got something else.'],
    [['run', '--source', 'ffmpeg:-re'], 'an input behind its options in --source'],
    [['run', '--source', 'dir:x', '--loop'], 'Expected --loop beside --source ffmpeg:FILE'],
    [
      ['run', '--source', 'dir:x', '--listen', '0.0.0.0:80'],
      'or [::1]:PORT, got "0.0.0.0:80". It asks nobody who they',
    ],
    [['run', '--source', 'dir:x', '--listen', '127.0.0.1:0'], 'Expected --listen 127.0.0.1:PORT'],
    [['run', '--source', 'dir:x', '--fps', '0'], 'Expected a number above 0 and at most 1000 for --fps, got "0".'],
    [['run', '--source', 'dir:x', '--fps', 'fast'], 'for --fps, got "fast".'],
    [['run', '--source', 'dir:x', '--poll-seconds', '86401'], 'at most 86400 for --poll-seconds, got "86401".'],
    [['run', '--source', 'dir:x', '--telemetry-seconds', '1e9'], 'at most 86400 for --telemetry-seconds'],
    [['run', '--source', 'dir:x', '--learn-samples', '5'], 'Expected --learn beside --learn-samples'],
    [['run', '--source', 'dir:x', '--learn', '--learn-samples', '1.5'], 'Expected a whole number for --learn-samples'],
    [
      ['run', '--source', 'dir:x', '--download-kbps', '8'],
      'at least 16 kilobits a second for --download-kbps, got "8".',
    ],
    [['run', '--source', 'dir:x', '--download-kbps', '500k'], 'for --download-kbps, got "500k".'],
    [['run', '--source', 'dir:x', '--log-max-mb', '5'], 'Expected --log-file beside --log-max-mb.'],
    [['run', '--source', 'dir:x', '--log-files', '1.5'], 'Expected a whole number for --log-files, got "1.5".'],
    [['run', '--source', 'dir:x', '--socket', `/${'x'.repeat(107)}`], 'Expected a path of at most 107 bytes'],
  ])('%j is a mistake, and says what is expected', async (args, words) => {
    const { code, output } = await agent(...args);
    expect(output).toContain(words);
    expect(output).not.toMatch(/\n\s+at /);
    expect(code).toBe(2);
  });

  it('helps who asks', async () => {
    expect(await agent('--help')).toMatchObject({ code: 0, output: expect.stringContaining('Usage: aviary-agent') });
  });

  it('says how to join where nobody has', async () => {
    const folder = await makeFolder();
    for (const command of [['status'], ['seal-keys'], ['run', '--source', `dir:${folder}`]]) {
      const { code, output } = await agent(...command, '--state-dir', folder);
      expect(output).toContain('This device has not joined a fleet. Join with: aviary-agent join');
      expect(code).toBe(1);
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it('says what it has', async () => {
    const folder = await joined();
    expect((await agent('status', '--state-dir', folder)).output).toContain('it has not run yet');
    const journal = await Journal.open(folder, identity);
    const [a, b] = [heldRelease('a'), heldRelease('b')];
    await journal.update(() => ({ committed: b, previous: a, sequence: 4, rollbackFloor: 2, quarantined: [b.digest] }));
    const { code, output } = await agent('status', '--state-dir', folder);
    expect(output).toMatch(/device {5}d-one \(epoch 1\)/);
    expect(output).toMatch(/proved by {2}a certificate until \d{4}-/);
    expect(output).toContain('keys       in files of mode 0600');
    expect(output).toMatch(/workers {4}(without a network|not kept from the network): ./);
    expect(output).toMatch(/committed {2}b@1.0.0 onnx-fp32 \(quarantined/);
    expect(output).toMatch(/before it {2}a@1.0.0/);
    expect(output).toContain('floor      2, assignment 4');
    expect(output).not.toContain('learnt');
    expect(code).toBe(0);
    const samples = await (await openSampleStore(folder, identity, 10)).use({ digest: 'c'.repeat(64), features: 2 });
    for (const [id, label] of [
      ['x-1', 'dark'],
      ['x-2', 'light'],
      ['x-3', 'dark'],
    ] as const) {
      await samples.append({ id, label, at: 1, features: Float32Array.of(1, 2) });
    }
    expect((await agent('status', '--state-dir', folder)).output).toContain(
      'learnt     3 samples of backbone cccccccccccc: dark 2, light 1',
    );
  });

  it('says why no frames come, and never the password of its camera', async () => {
    const folder = await joined();
    const args = runArguments(folder).map((arg) => (arg === `dir:${folder}` ? 'ffmpeg:rtsp://ana:s3cret@cam/1' : arg));
    const child = spawn(process.execPath, ['--conditions=aviary-source', MAIN, ...args], {
      env: { ...process.env, PATH: folder },
    });
    let output = '';
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    await expect.poll(() => output).toContain('"code":"capture-stopped"');
    child.kill('SIGINT');
    const [code] = await once(child, 'close');
    expect(code).toBe(0);
    expect(output).toContain('ffmpeg is not on this board: apt-get install ffmpeg');
    // The same without unshare, which was not to be found either.
    expect(output).toContain('"code":"worker-network-open"');
    expect(output).not.toMatch(/ana|s3cret/);
  });

  it('logs to a file where it is told to, and to nothing else', async () => {
    const folder = await joined();
    const log = join(folder, 'log', 'agent.log');
    const args = [...blindArguments(folder), '--log-file', log, '--log-max-mb', '1', '--log-files', '2'];
    const child = spawn(process.execPath, ['--conditions=aviary-source', MAIN, ...args]);
    let output = '';
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const written = () => readFile(log, 'utf8').catch(() => '');
    await expect.poll(written, { timeout: 20_000 }).toContain('"msg":"started"');
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(await written()).toContain('"msg":"stopped"');
    expect(output).toBe('');
  });

  it('goes on where nobody can take what it says: standard error, or its log, is a file on a full disk', async () => {
    for (const toFile of [false, true]) {
      const folder = await joined();
      await symlink('/dev/full', join(folder, 'full.log'));
      const args = [...blindArguments(folder), ...(toFile ? ['--log-file', join(folder, 'full.log')] : [])];
      const full = openSync('/dev/full', 'w');
      const child = spawn(process.execPath, ['--conditions=aviary-source', MAIN, ...args], {
        env: { ...process.env, AVIARY_LOG_LEVEL: 'trace' },
        stdio: ['ignore', 'ignore', full],
      });
      closeSync(full);
      const isThere = () => existsSync(join(folder, 'agent.sock'));
      await expect.poll(isThere, { timeout: 20_000 }).toBe(true);
      child.kill('SIGINT');
      expect(await once(child, 'close')).toEqual([0, null]);
    }
  });

  it('says in one sentence what is wrong with its files', async () => {
    const folder = await joined();
    await writeFile(join(folder, 'facts.json'), '{"arch":7}');
    const facts = await agent(...runArguments(folder));
    expect(facts).toMatchObject({ code: 1, output: expect.stringContaining('does not hold the facts of a device') });
    await writeFile(join(folder, 'identity', 'enrolment.json'), '{');
    const broken = await agent('status', '--state-dir', folder);
    expect(broken).toMatchObject({ code: 1, output: expect.stringContaining('cannot read its identity') });
  });
});
