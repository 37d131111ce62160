import { chmodSync, existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { type CaptureHandle, startCapture } from './capture/capture-handle.ts';
import type { CaptureState } from './capture/capture-run.ts';
import { parseSource } from './capture/capture-source.ts';
import type { Frame } from './frame.ts';
import { networkFence } from './network-fence.ts';
import { TemporaryFolders } from './testing/light-release.ts';

// With a program of our own in the place of ffmpeg's: what the real one does is in test/full/video.test.ts.

const folders = new TemporaryFolders();
const handles: CaptureHandle[] = [];
afterEach(async () => {
  for (const handle of handles.splice(0)) await handle.stop();
});
afterAll(() => folders.remove());

/** Frames of one pixel on descriptor 3, as `sh` writes them. */
const pixels = (text: string): string => `printf 'P6\\n1 1\\n255\\n${text}' >&3`;

/** Starts a capture whose ffmpeg is this shell script; `null`: there is none. */
const capture = (script: string | null, source: string, options: { stallMs?: number } = {}) => {
  const folder = folders.make();
  if (script !== null) {
    writeFileSync(join(folder, 'ffmpeg'), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, 'ffmpeg'), 0o755);
  }
  const frames: Frame[] = [];
  const states: CaptureState[] = [];
  const parsed = parseSource(source, false, (path) => path);
  if (parsed === null) throw new Error('expected a source');
  const handle = startCapture(
    {
      source: parsed,
      fps: 100,
      restartMs: 20,
      searchPath: script === null ? folder : `${folder}:${process.env.PATH}`,
      ...options,
    },
    { onFrame: (frame) => frames.push(frame), onFrameError: () => {}, onState: (state) => states.push(state) },
  );
  handles.push(handle);
  return { folder, handle, frames, states, words: () => states.map(({ words }) => words).join('\n') };
};

describe('a video source', () => {
  it('gives raw frames with their name, and ends when told', async () => {
    const script = `while :; do ${pixels('abc')}; sleep 0.01; done`;
    const { handle, frames, states } = capture(script, 'ffmpeg:rtsp://ana:secret@cam/live');
    await expect.poll(() => frames.length).toBeGreaterThan(2);
    expect(frames[0]?.source).toBe('rtsp://cam/live');
    expect(frames[0]?.picture).toMatchObject({ kind: 'raw', width: 1, height: 1, channels: 3 });
    expect([...(frames[0]?.picture.bytes ?? [])]).toEqual([97, 98, 99]);
    expect(states).toEqual([{ flowing: true, words: 'frames come from rtsp://cam/live' }]);
    const pid = handle.pid ?? 0;
    await handle.stop();
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  it('is started again with growing pauses when its program dies, and its last words are told', async () => {
    const { handle, states, words } = capture('echo "the lens is gone" >&2; exit 3', 'ffmpeg:/dev/video7');
    await expect.poll(() => handle.restarts).toBeGreaterThan(3);
    expect(states.every(({ flowing }) => !flowing)).toBe(true);
    const pauses = [...words().matchAll(/\(exit code 3: the lens is gone\); starting it again in (\d+) ms/g)];
    expect(pauses.slice(0, 4).map(([, pause]) => Number(pause))).toEqual([20, 40, 80, 160]);
  });

  it('says which program is missing', async () => {
    const { words } = capture(null, 'ffmpeg:rtsp://cam/live');
    await expect.poll(words).toContain('ffmpeg is not on this board: apt-get install ffmpeg');
    const local = capture(null, 'ffmpeg:/dev/video7');
    await expect.poll(local.words).toContain('ffmpeg is not on this board: apt-get install ffmpeg');
  });

  it('that stalls is ended and started again', async () => {
    // `exec`: a child of the shell would keep the pipe open.
    const { frames, words } = capture(`${pixels('abc')}; exec sleep 60`, 'ffmpeg:/dev/video7', { stallMs: 300 });
    await expect.poll(() => frames.length).toBeGreaterThan(1);
    expect(words()).toContain('(signal SIGKILL: no frame came for 300 ms; it was ended)');
  });

  it('that writes something else is ended', async () => {
    const { words } = capture('echo "welcome to my camera" >&3; exec sleep 60', 'ffmpeg:/dev/video7');
    await expect.poll(words).toContain('expected pictures as PPM or PGM');
  });

  it('tells nobody its password: not in words, and not in its command line', async () => {
    // Added to: it is started again and again.
    const script = 'echo "$@" >> "$0.args"; cat >> "$0.list"; cat "$0.list" >&2; exit 1';
    const { folder, words } = capture(script, 'ffmpeg:rtsp://ana:secret@cam/live');
    await expect.poll(words).toContain('exit code 1');
    expect(words()).not.toMatch(/ana|secret/);
    expect(readFileSync(join(folder, 'ffmpeg.args'), 'utf8')).not.toMatch(/ana|secret/);
    expect(readFileSync(join(folder, 'ffmpeg.list'), 'utf8')).toContain('rtsp://ana:secret@cam/live');
  });

  it('has a network where it is an address, and none where it is on the board', async () => {
    const script = `while :; do ${pixels('abc')}; sleep 0.1; done`;
    const [camera, device] = [capture(script, 'ffmpeg:rtsp://cam/live'), capture(script, 'ffmpeg:/dev/video7')];
    await expect.poll(() => Math.min(camera.frames.length, device.frames.length)).toBeGreaterThan(0);
    const namespaceOf = (pid: number | null): string => readlinkSync(`/proc/${pid ?? 0}/ns/net`);
    const own = namespaceOf(process.pid);
    expect(namespaceOf(camera.handle.pid)).toBe(own);
    expect(namespaceOf(device.handle.pid) !== own).toBe(networkFence().closed);
  });

  it('that is a file comes to its end', async () => {
    const file = join(folders.make(), 'a.mp4');
    writeFileSync(file, '');
    const { handle, frames, states } = capture(`${pixels('abc')}; ${pixels('def')}`, `ffmpeg:${file}`);
    await expect.poll(() => states.at(-1)?.words).toContain('has come to its end; --loop');
    expect(frames.map(({ picture }) => Buffer.from(picture.bytes).toString())).toEqual(['abc', 'def']);
    expect([handle.pid, handle.restarts]).toEqual([null, 0]);
  });

  it('that is a file is played once, also when the file has come only after it was looked for', async () => {
    const file = join(folders.make(), 'a.mp4');
    const { handle, frames, states } = capture(`: > ${file}; ${pixels('abc')}`, `ffmpeg:${file}`);
    await expect.poll(() => states.at(-1)?.words).toContain('has come to its end; --loop');
    expect([frames.length, handle.restarts]).toEqual([1, 0]);
  });

  it('goes on with an ffmpeg that is older than an option', async () => {
    const script = `case "$*" in *-fps_mode*) echo "Unrecognized option 'fps_mode'." >&2; exit 1;; esac
      case "$*" in *"-vsync passthrough"*) ${pixels('abc')}; exec sleep 60;; esac`;
    const { frames, handle } = capture(script, 'ffmpeg:/dev/video7');
    await expect.poll(() => frames.length).toBe(1);
    expect(handle.restarts).toBe(1);
  });
});
