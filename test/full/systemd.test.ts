import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command } from '../support/installed-agent.ts';
import { TestFleet, until } from '../support/test-fleet.ts';
import { writeGreyPictures } from '../support/test-model.ts';
import { GIVEN, TestSystemd } from '../support/test-systemd.ts';

/** A package, a control plane, and a system that boots, on a machine that has much else to do. */
const LONG_MS = 300_000;
const UNIT = 'aviary-agent.service';
const STATE = '/var/lib/aviary';
const PACKAGE = `${GIVEN}/agent.deb`;

/** What a worker could try inside the unit's fence. */
const PROBE = `
unshare --user --net --map-root-user true && echo 'a network namespace: yes'
unshare --user --mount --map-root-user true 2>/dev/null || echo 'a mount namespace: no'
touch /usr/x 2>/dev/null || echo 'to write into /usr: no'
ls /home >/dev/null 2>&1 || echo 'to see /home: no'
grep CapBnd: /proc/self/status
grep 'core file' /proc/self/limits | tr -s ' '
`;

let folder: string;
let fleet: TestFleet;
let system: TestSystemd;

const mainPid = (): Promise<string> => system.property(UNIT, 'MainPID');

const becomes = (name: string, value: string, seconds = 60): Promise<true> =>
  until(`${name} of the unit becoming "${value}"`, seconds, async () =>
    (await system.property(UNIT, name)) === value ? true : undefined,
  );

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aviary-systemd-test-'));
  const given = join(folder, 'given');
  await mkdir(given);
  await command(
    process.execPath,
    'deploy/packaging/package.ts',
    'agent',
    '--arch',
    process.arch === 'x64' ? 'amd64' : 'arm64',
    '--out',
    folder,
  );
  const deb = (await readdir(folder)).find((name) => name.endsWith('.deb')) ?? '';
  await copyFile(join(folder, deb), join(given, 'agent.deb'));
  await writeGreyPictures(join(given, 'pictures'), 20);
  await writeFile(join(given, 'probe'), PROBE);
  fleet = await TestFleet.start();
  system = await TestSystemd.boot(join(folder, 'system'), given);
}, LONG_MS);

afterAll(async () => {
  await system?.stop();
  await fleet?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
}, LONG_MS);

describe('the service, under a systemd that runs', { timeout: LONG_MS }, () => {
  it('is enabled when it is installed, and waits without an error until the board has joined', async () => {
    await system.run('dpkg', '-i', PACKAGE);
    expect(await system.property(UNIT, 'UnitFileState')).toBe('enabled');
    expect(await system.property(UNIT, 'ActiveState')).toBe('inactive');
    expect(await system.property(UNIT, 'ConditionResult')).toBe('no');
  });

  it('goes to work with the join', async () => {
    const config = '/etc/aviary/agent.conf';
    await system.run(
      'sed',
      '-i',
      `s#^source = .*#source = dir:${GIVEN}/pictures#; $a fps = 20\\ntelemetry-seconds = 1`,
      config,
    );
    const { token } = await fleet.client.createJoinToken({ body: { labels: { site: 'test' } } });
    expect(await system.run('aviary-agent', 'join', '--token', token, '--name', 'board')).toMatch(/^joined as d-/);
    expect(await system.property(UNIT, 'ActiveState')).toBe('active');
    await fleet.push({ version: '1.0.0', manner: 'sure' });
    expect((await fleet.ended(await fleet.rollOut('1.0.0'))).state).toBe('FINISHED');
    await becomes('StatusText', 'grey@1.0.0 serves; connected to its fleet');
    expect(await system.property(UNIT, 'NRestarts')).toBe('0');
  });

  it('has a fence that lets a worker be without a network, and little else', async () => {
    const agent = await system.run('systemctl', 'cat', UNIT);
    const probe = agent
      .replace(/^Type=notify$/m, 'Type=oneshot')
      .replace(/^ExecStart=.*$/m, `ExecStart=/bin/sh ${GIVEN}/probe`)
      .replace(/^(Restart\w*|WatchdogSec|StateDirectory\w*|ConfigurationDirectory)=.*$/gm, '');
    await system.run('sh', '-c', 'printf %s "$1" > /run/systemd/system/probe.service', 'sh', probe);
    await system.run('systemctl', 'daemon-reload');
    await system.run('systemctl', 'start', 'probe.service');
    const said = await system.run('journalctl', '--unit=probe.service', '--output=cat', '--no-pager');
    expect(said.split('\n').filter((line) => /: (yes|no)$|^CapBnd|^Max/.test(line))).toEqual([
      'a network namespace: yes',
      'a mount namespace: no',
      'to write into /usr: no',
      'to see /home: no',
      'CapBnd:\t0000000000000000',
      'Max core file size 1 1 bytes',
    ]);
  });

  it('runs its model in a process that has no network', async () => {
    const worker = (await system.run('pgrep', '-f', '/worker-main.js')).trim();
    const [own, agents] = await Promise.all(
      [worker, await mainPid()].map((pid) => system.run('readlink', `/proc/${pid}/ns/net`)),
    );
    expect(own).toMatch(/^net:/);
    expect(own).not.toBe(agents);
  });

  it('opens models in memory that nobody else sees', async () => {
    const inside = await system.run('nsenter', '-t', await mainPid(), '-m', '-r', 'ls', '/dev/shm');
    expect(inside).toMatch(/^aviary-d-\w+\n$/);
    expect(await system.run('ls', '-A', '/dev/shm')).toBe('');
  });

  it('is started again when the agent hangs, and serves', async () => {
    await system.run('mkdir', '-p', `/etc/systemd/system/${UNIT}.d`);
    const override = '[Service]\nWatchdogSec=6\nRestartSec=1\n';
    await system.run('sh', '-c', 'printf %s "$1" > "$2"', 'sh', override, `/etc/systemd/system/${UNIT}.d/soon.conf`);
    await system.run('systemctl', 'daemon-reload');
    await system.run('systemctl', 'restart', UNIT);
    await becomes('StatusText', 'grey@1.0.0 serves; connected to its fleet');
    const before = await mainPid();
    await system.run('kill', '-STOP', before);
    await becomes('NRestarts', '1');
    await becomes('StatusText', 'grey@1.0.0 serves; connected to its fleet');
    expect(await mainPid()).not.toBe(before);
  });

  it('is started anew by an upgrade', async () => {
    const before = await mainPid();
    await system.run('dpkg', '-i', PACKAGE);
    expect(await mainPid()).not.toBe(before);
    await becomes('StatusText', 'grey@1.0.0 serves; connected to its fleet');
  });

  it('stops when it is removed, starts when it comes back, and is gone when it is purged', async () => {
    await system.run('dpkg', '--remove', 'aviary-agent');
    expect(await system.property(UNIT, 'ActiveState')).toBe('inactive');
    expect(await system.run('ls', STATE)).toContain('identity');
    await system.run('dpkg', '-i', PACKAGE);
    await becomes('StatusText', 'grey@1.0.0 serves; connected to its fleet');
    const uid = (await system.run('id', '-u', 'aviary-agent')).trim();
    await system.run('dpkg', '--purge', 'aviary-agent');
    expect(await system.property(UNIT, 'LoadState')).toBe('not-found');
    await expect(system.run('ls', STATE)).rejects.toThrow('No such file');
    // Nobody is left of that user.
    await expect(system.run('pgrep', '--uid', uid)).rejects.toThrow();
  });
});
