import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NotifyListener } from '../../apps/agent/src/testing/notify-listener.ts';
import { readElf } from '../../deploy/packaging/elf.ts';
import { CONFIG, command, InstalledAgent, STATE, UNIT } from '../support/installed-agent.ts';
import { TestFleet, until } from '../support/test-fleet.ts';
import { writeGreyPictures } from '../support/test-model.ts';

/** A control plane, and packages that are built and installed, on a machine that has much else to do. */
const LONG_MS = 300_000;
const PROGRAM = '/usr/bin/aviary-agent';
const USER = 'aviary-agent';
/** What it was when this was written was 2.0: of 10, and less is better. */
const MOST_EXPOSED = 2.5;
const WATCHDOG_MS = 2_000;

const agent = new InstalledAgent();
let folder: string;
let fleet: TestFleet;
let listener: NotifyListener;
let deviceId: string;

/** Makes packages as a person does. @returns their paths by architecture, and what was said */
const build = async (...options: string[]) => {
  const out = await mkdtemp(join(folder, 'built-'));
  const said = await command(process.execPath, 'deploy/packaging/package.ts', 'agent', '--out', out, ...options);
  const names = (await readdir(out)).sort();
  return { said, paths: names.map((name) => join(out, name)) };
};

const digestOf = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

const filesBelow = async (root: string): Promise<string[]> => {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(root, join(parentPath, name)));
};

/** Who owns what below a folder; the modes of the folder. */
const ownersBelow = async (root: string): Promise<Set<number>> =>
  new Set(
    await Promise.all(['.', ...(await filesBelow(root))].map(async (path) => (await stat(join(root, path))).uid)),
  );

const uidOfUser = async (): Promise<number> => Number(await command('id', '-u', USER));

/** All that the package may leave, on the whole machine. */
const leftovers = async (): Promise<string[]> => {
  const places = ['/etc', '/usr', '/lib/systemd', '/var/lib', '/var/log', '/run'];
  const found = await command('find', ...places, '-xdev', '-name', '*aviary*', '-not', '-path', '/usr/local/*');
  return found.split('\n').filter((path) => path !== '');
};

const startService = async (): Promise<void> => {
  await agent.startService(
    { NOTIFY_SOCKET: join(folder, 'notify'), WATCHDOG_USEC: `${WATCHDOG_MS * 1000}` },
    join(folder, 'agent.log'),
  );
};

const told = (assignment: string, from = 0): Promise<number> =>
  until(`the agent telling ${assignment}; its log: ${join(folder, 'agent.log')}`, 60, async () => {
    const at = listener.assignments.indexOf(assignment, from);
    return at < 0 ? undefined : at;
  });

const serving = async (release: string): Promise<string> =>
  until(`${release} serving`, 60, async () => {
    const device = await fleet.client.showDevice({ params: { id: deviceId } });
    return device.running?.release === release && device.presence === 'online' ? device.facts.agentVersion : undefined;
  });

beforeAll(async () => {
  await agent.prepare();
  folder = await mkdtemp(join(tmpdir(), 'aviary-package-test-'));
  // The agent's user reads its pictures here, and speaks to the listener.
  await chmod(folder, 0o755);
  await writeGreyPictures(join(folder, 'pictures'), 20);
  listener = await NotifyListener.start(join(folder, 'notify'));
  fleet = await TestFleet.start();
}, LONG_MS);

afterAll(async () => {
  await agent.clear();
  await listener?.stop();
  await fleet?.stop();
  // In the unit it is in memory of its own.
  if (deviceId !== undefined) await rm(`/dev/shm/aviary-${deviceId}`, { recursive: true, force: true });
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
}, LONG_MS);

describe('the package of the agent', { timeout: LONG_MS }, () => {
  let amd64: string;
  let arm64: string;
  let next: string;

  it('is made for both architectures, and is small', async () => {
    const { paths, said } = await build();
    [amd64 = '', arm64 = ''] = paths;
    expect(paths.map((path) => basename(path).replace(/_.*_/, ' '))).toEqual([
      'aviary-agent amd64.deb',
      'aviary-agent arm64.deb',
    ]);
    const ratios = [...said.matchAll(/installed [\d.]+ MB, ([\d.]+) of its Node alone/g)].map(([, ratio]) =>
      Number(ratio),
    );
    expect(ratios).toHaveLength(2);
    for (const ratio of ratios) expect(ratio).toBeLessThanOrEqual(1.6);
  });

  it('holds what a board of its architecture needs, and nothing else', async () => {
    const tree = join(folder, 'arm64');
    await command('dpkg-deb', '--extract', arm64, tree);
    const files = await filesBelow(tree);
    const machines = new Map<string, string>();
    for (const file of files) {
      const elf = await readElf(join(tree, file));
      if (elf !== undefined)
        machines.set(
          basename(file)
            .replace(/-[\d.]+\.node$/, '.node')
            .replace(/\.so\.[\d.]+$/, '.so'),
          elf.machine,
        );
    }
    expect(Object.fromEntries(machines)).toEqual({
      node: 'arm64',
      'libonnxruntime.so': 'arm64',
      'onnxruntime_binding.node': 'arm64',
      'libvips-cpp.so': 'arm64',
      'sharp-linux-arm64.node': 'arm64',
    });
    expect(files.filter((file) => /\.map$|\.d\.[cm]?ts$|\.test\.|\/(testing|simulation)\//.test(file))).toEqual([]);
    expect(
      files
        .filter((file) => file.includes('/sidecars/'))
        .map((file) => basename(file))
        .sort(),
    ).toEqual([
      'aviary_sidecar.py',
      'cuda_memory.py',
      'edgetpu.json',
      'edgetpu.py',
      'hailo.json',
      'hailo.py',
      'tensorrt.json',
      'tensorrt_engine.py',
    ]);
    for (const file of files.filter((name) => /\/dist\/.*\.js$/.test(name))) {
      // Each of the two would cost memory on the board: see deploy/packaging/lean-code.ts.
      const code = await readFile(join(tree, file), 'latin1');
      expect({ file, notAscii: /[^\n\t\x20-\x7e]/.test(code) }).toEqual({ file, notAscii: false });
      expect({ file, imported: /\bfrom ?["'`]node:http["'`]/.test(code) }).toEqual({ file, imported: false });
    }
    const modes = new Set(await Promise.all(files.map(async (file) => (await stat(join(tree, file))).mode & 0o777)));
    expect([...modes].sort()).toEqual([0o644, 0o755]);
    expect(await command('dpkg-deb', '--field', arm64, 'Depends')).toMatch(
      /^adduser, (libatomic1, )?libc6 \(>= 2\.\d+\), .*libstdc\+\+6 \(>= \d/,
    );
  });

  it('comes out the same, byte for byte', async () => {
    const { paths } = await build('--arch', 'arm64');
    expect(await digestOf(paths[0] ?? '')).toBe(await digestOf(arm64));
    next = (await build('--arch', 'amd64', '--version', '9.9.9')).paths[0] ?? '';
    expect(await digestOf(next)).not.toBe(await digestOf(amd64));
  });

  it('is installed without a systemd that runs, also when it was interrupted', async () => {
    await agent.noteAccounts();
    await command('dpkg', '--unpack', amd64);
    expect(await agent.status()).toBe('iU');
    await command('dpkg', '--configure', 'aviary-agent');
    await command('dpkg', '-i', amd64);
    expect(await agent.status()).toBe('ii');
    expect(await command('dpkg', '--verify', 'aviary-agent')).toBe('');
    const { mode, uid } = await stat(STATE);
    expect({ mode: mode & 0o777, uid }).toEqual({ mode: 0o700, uid: await uidOfUser() });
    expect(existsSync('/etc/systemd/system/multi-user.target.wants/aviary-agent.service')).toBe(true);
  });

  it('has a unit that systemd takes, and finds hardened', async () => {
    const complaints = (await command('systemd-analyze', 'verify', UNIT))
      .split('\n')
      .filter((line) => line.includes('aviary'));
    // Back-off is of systemd 254, and passed over before.
    expect(complaints.filter((line) => !/RestartSteps|RestartMaxDelaySec/.test(line))).toEqual([]);
    const threshold = `--threshold=${MOST_EXPOSED * 10}`;
    await command('systemd-analyze', 'security', '--offline=true', threshold, UNIT);
    await expect(command('systemd-analyze', 'security', '--offline=true', '--threshold=5', UNIT)).rejects.toThrow(
      'EXPOSURE',
    );
  });

  it('joins for the user of the service, whoever says so', async () => {
    await expect(command(PROGRAM, 'status')).rejects.toThrow('aviary-agent join');
    const { token } = await fleet.client.createJoinToken({ body: { labels: { site: 'test' } } });
    const said = await command(PROGRAM, 'join', '--token', token, '--name', 'board');
    deviceId = /^joined as (d-\S+)/.exec(said)?.[1] ?? '';
    expect(deviceId).not.toBe('');
    expect([...(await ownersBelow(STATE))]).toEqual([await uidOfUser()]);
    expect(await command(PROGRAM, 'status')).toContain(`device     ${deviceId} (epoch 1)`);
  });

  it('runs as the unit says, tells systemd when it is ready, and serves', async () => {
    const config = await readFile(CONFIG, 'utf8');
    const source = /^source = .*$/m;
    expect(config).toMatch(source);
    await writeFile(
      CONFIG,
      `${config.replace(source, `source = dir:${join(folder, 'pictures')}`)}fps = 20\ntelemetry-seconds = 1\n`,
    );
    await startService();
    await told('READY=1');
    await told('STATUS=nothing serves; connected to its fleet');
    await fleet.push({ version: '1.0.0', manner: 'sure' });
    expect((await fleet.ended(await fleet.rollOut('1.0.0'))).state).toBe('FINISHED');
    await serving('grey@1.0.0');
    await told('STATUS=grey@1.0.0 serves; connected to its fleet');
    // What ONNX Runtime notes for its makers, unless it is told not to.
    expect(await readdir(STATE)).not.toContain('.cache');
    const beats = listener.told.filter(({ assignment }) => assignment === 'WATCHDOG=1').map(({ at }) => at);
    const longest = Math.max(...beats.slice(1).map((at, index) => at - (beats[index] ?? 0)));
    // At half of the time after which it would be ended; it may come late, and never too late.
    expect(longest).toBeGreaterThan(0.4 * WATCHDOG_MS);
    expect(longest).toBeLessThan(WATCHDOG_MS);
  });

  it('gives no sign of life while it hangs', async () => {
    const { beats } = listener;
    process.kill(agent.pid, 'SIGSTOP');
    await pause(WATCHDOG_MS);
    const whileStopped = listener.beats;
    await pause(1.5 * WATCHDOG_MS);
    expect(listener.beats).toBe(whileStopped);
    expect(whileStopped - beats).toBeLessThanOrEqual(1);
    process.kill(agent.pid, 'SIGCONT');
    await expect.poll(() => listener.beats).toBeGreaterThan(whileStopped);
  });

  it('keeps identity, journal and config over an upgrade', async () => {
    const before = await Promise.all(
      [CONFIG, join(STATE, 'identity/device.pem')].map((path) => readFile(path, 'utf8')),
    );
    await command('dpkg', '-i', next);
    // What its systemd does after an upgrade.
    expect(await agent.stopService()).toBe(0);
    expect(listener.assignments.at(-1)).toBe('STOPPING=1');
    const from = listener.told.length;
    await startService();
    await told('READY=1', from);
    await told('STATUS=grey@1.0.0 serves; connected to its fleet', from);
    await until('the new version in its facts', 30, async () =>
      (await serving('grey@1.0.0')) === '9.9.9' ? true : undefined,
    );
    const after = await Promise.all([CONFIG, join(STATE, 'identity/device.pem')].map((path) => readFile(path, 'utf8')));
    expect(after).toEqual(before);
    await fleet.push({ version: '1.1.0', manner: 'sure' });
    expect((await fleet.ended(await fleet.rollOut('1.1.0'))).state).toBe('FINISHED');
    await serving('grey@1.1.0');
    expect(await agent.stopService()).toBe(0);
  });

  it('leaves state and config when it is removed, and finds them again', async () => {
    await command('dpkg', '--remove', 'aviary-agent');
    expect(await agent.status()).toBe('rc');
    expect(existsSync(PROGRAM)).toBe(false);
    expect(existsSync(join(STATE, 'identity/device.pem'))).toBe(true);
    await command('dpkg', '-i', amd64);
    expect(await command(PROGRAM, 'status')).toContain('committed  grey@1.1.0');
    expect(await readFile(CONFIG, 'utf8')).toContain('fps = 20');
  });

  it('leaves nothing when it is purged, and what is not its own', async () => {
    await mkdir('/etc/aviary', { recursive: true });
    await writeFile('/etc/aviary/notes', "somebody's own");
    await command('dpkg', '--purge', 'aviary-agent');
    expect(await readdir('/etc/aviary')).toEqual(['notes']);
    await rm('/etc/aviary', { recursive: true });
    expect(await agent.status()).toBe('');
    expect(await leftovers()).toEqual([]);
    expect(await agent.changedAccounts()).toEqual([]);
  });
});
