import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { NotifyListener, uptime } from '../testing/notify-listener.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { UpdateLoop } from '../update/update-loop.ts';
import { findServiceManager, type ServiceManager } from './service-manager.ts';

const makeFolder = temporaryFolders();
const log = pino({ level: 'silent' });
const BEAT_MS = 100;
const listeners: NotifyListener[] = [];
const managers: ServiceManager[] = [];

const listen = async (name: string): Promise<NotifyListener> => {
  const listener = await NotifyListener.start(name);
  listeners.push(listener);
  return listener;
};
const environment = (name: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  NOTIFY_SOCKET: name,
  WATCHDOG_USEC: `${2 * BEAT_MS * 1000}`,
  WATCHDOG_PID: `${process.pid}`,
  ...more,
});
const find = (from: NodeJS.ProcessEnv): ServiceManager => {
  const manager = findServiceManager(from, log);
  if (manager === undefined) throw new Error('no manager was found');
  managers.push(manager);
  return manager;
};

/** The process that forwards for another one. */
const forwarderOf = (parent: number): number => {
  const pid = readdirSync('/proc').find((name) => {
    try {
      const [, ppid] = /\nPPid:\s+(\d+)/.exec(readFileSync(`/proc/${name}/status`, 'utf8')) ?? [];
      return ppid === `${parent}` && readFileSync(`/proc/${name}/cmdline`, 'utf8').startsWith('aviary-agent: notify');
    } catch {
      return false;
    }
  });
  return Number(pid);
};

afterEach(async () => {
  for (const manager of managers.splice(0)) manager.stopping();
  for (const listener of listeners.splice(0)) await listener.stop();
});

describe('the service manager', () => {
  it.each(['a path', 'an abstract name'])('at %s hears that it is ready, beats, and that it ends', async (kind) => {
    const name = kind === 'a path' ? join(await makeFolder(), 'notify') : `@aviary-test-${process.pid}`;
    const listener = await listen(name);
    const env = environment(name);
    const manager = find(env);
    // What the agent starts does not speak in its name.
    expect(env).toEqual({});
    await pause(2 * BEAT_MS);
    expect(listener.assignments).toEqual([]);

    let words = 'nothing serves';
    manager.ready({
      isWorking: true,
      get words() {
        return words;
      },
    });
    await expect.poll(() => listener.beats).toBeGreaterThan(3);
    expect(listener.assignments.slice(0, 3)).toEqual(['READY=1', 'STATUS=nothing serves', 'WATCHDOG=1']);
    words = 'grey@1.0.0 serves';
    await expect.poll(() => listener.assignments).toContain('STATUS=grey@1.0.0 serves');
    // It says what is new, once.
    expect(listener.assignments.filter((one) => one.startsWith('STATUS='))).toHaveLength(2);
    manager.stopping();
    await expect.poll(() => listener.assignments.at(-1)).toBe('STOPPING=1');
  });

  it('hears beats at half of the time that it waits', async () => {
    const name = join(await makeFolder(), 'notify');
    const listener = await listen(name);
    const waitsMs = 1_000;
    find(environment(name, { WATCHDOG_USEC: `${waitsMs * 1000}` })).ready({ isWorking: true, words: '' });
    await expect.poll(() => listener.beats).toBeGreaterThan(5);
    const beats = listener.told.filter(({ assignment }) => assignment === 'WATCHDOG=1').map(({ at }) => at);
    const mean = ((beats.at(-1) ?? 0) - (beats[0] ?? 0)) / (beats.length - 1);
    expect(mean).toBeGreaterThan(0.35 * waitsMs);
    expect(mean).toBeLessThan(0.75 * waitsMs);
  });

  it('hears no beats while an update hangs, and again when it goes on', async () => {
    const name = join(await makeFolder(), 'notify');
    const listener = await listen(name);
    let goOn: (outcome: boolean) => void = () => undefined;
    const loop = new UpdateLoop(() => new Promise((resolve) => (goOn = resolve)), log, 4 * BEAT_MS);
    find(environment(name)).ready({
      get isWorking() {
        return loop.isAlive;
      },
      words: '',
    });
    loop.wake();
    // It shows life for a while, as a download does.
    for (let piece = 0; piece < 10; piece += 1) {
      await pause(BEAT_MS);
      loop.showLife();
    }
    const alive = listener.beats;
    expect(alive).toBeGreaterThan(5);
    await pause(6 * BEAT_MS);
    const atHang = listener.beats;
    await pause(6 * BEAT_MS);
    expect(listener.beats).toBe(atHang);
    goOn(false);
    await expect.poll(() => listener.beats).toBeGreaterThan(atHang + 2);
    await loop.stop();
  });

  it('hears no beats while the event loop hangs', async () => {
    const name = join(await makeFolder(), 'notify');
    const listener = await listen(name);
    find(environment(name)).ready({ isWorking: true, words: '' });
    await expect.poll(() => listener.beats).toBeGreaterThan(2);
    const from = uptime();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10 * BEAT_MS);
    await expect.poll(() => listener.told.some(({ at }) => at >= from + 9 * BEAT_MS)).toBe(true);
    // One may have been on its way.
    const meanwhile = listener.told.filter(({ at }) => at > from && at < from + 9 * BEAT_MS);
    expect(meanwhile.length).toBeLessThan(2);
  });

  it('is spoken to again when whoever speaks to it was killed', async () => {
    const name = join(await makeFolder(), 'notify');
    const listener = await listen(name);
    const said: string[] = [];
    const heard = pino({ level: 'warn' }, { write: (line: string) => void said.push(line) });
    const manager = findServiceManager(environment(name), heard);
    if (manager === undefined) throw new Error('no manager was found');
    managers.push(manager);
    manager.ready({ isWorking: true, words: '' });
    await expect.poll(() => listener.beats).toBeGreaterThan(1);
    const forwarder = forwarderOf(process.pid);
    process.kill(forwarder, 'SIGKILL');
    await expect.poll(() => said.join('')).toContain('has ended (SIGKILL)');
    const before = listener.beats;
    await expect.poll(() => listener.beats).toBeGreaterThan(before + 2);
  });

  it('asks for no beats when it does not wait for any, or for those of another process', async () => {
    for (const more of [{ WATCHDOG_USEC: undefined }, { WATCHDOG_PID: '1' }]) {
      const name = join(await makeFolder(), 'notify');
      const listener = await listen(name);
      find(environment(name, more)).ready({ isWorking: true, words: 'nothing serves' });
      await expect.poll(() => listener.assignments).toEqual(['READY=1', 'STATUS=nothing serves']);
      await pause(3 * BEAT_MS);
      expect(listener.beats).toBe(0);
    }
  });

  it('is not there where nothing says so', () => {
    expect(findServiceManager({}, log)).toBeUndefined();
    expect(findServiceManager({ NOTIFY_SOCKET: 'vsock:2:1' }, log)).toBeUndefined();
  });
});
