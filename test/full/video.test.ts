import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CaptureHandle, startCapture } from '../../apps/agent/src/inference/capture/capture-handle.ts';
import type { CaptureState } from '../../apps/agent/src/inference/capture/capture-run.ts';
import { parseSource } from '../../apps/agent/src/inference/capture/capture-source.ts';
import type { Frame } from '../../apps/agent/src/inference/frame.ts';
import { Serving } from '../../apps/agent/src/inference/serving.ts';
import { workerFromSource, writeLightRelease } from '../../apps/agent/src/inference/testing/light-release.ts';
import { startWorker } from '../../apps/agent/src/inference/worker-handle.ts';
import { ask } from '../../apps/agent/src/testing/local-client.ts';
import { processesWith } from '../../apps/agent/src/testing/processes.ts';
import { countFrames, numberIn, writeNumberedVideo, writeNumberReader } from '../support/numbered-video.ts';
import { PROBATION, TestFleet, until } from '../support/test-fleet.ts';
import { WatchedAgent } from '../support/watched-agent.ts';

// With the real ffmpeg, GStreamer and an RTSP server: apt-get install ffmpeg gstreamer1.0-tools
// gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gir1.2-gst-rtsp-server-1.0 python3-gi

const CAMERA = fileURLToPath(new URL('../support/rtsp-camera.py', import.meta.url));
const FRAMES = 100;

let folder = '';
/** 100 frames, 25 a second, each brighter than the one before. */
let file = '';
const ends: (() => Promise<unknown>)[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'aviary-video-'));
  file = join(folder, 'brighter.mkv');
  const brighter = `color=black:size=66x18:rate=25:duration=4,format=gray,geq=lum='20+2*N'`;
  execFileSync('ffmpeg', ['-loglevel', 'error', '-f', 'lavfi', '-i', brighter, '-c:v', 'ffv1', file]);
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sourceOf = (text: string, loop = false) => {
  const source = parseSource(text, loop, (path) => path);
  if (source === null) throw new Error('expected a source');
  return source;
};

const capture = (text: string, { fps = 100, loop = false } = {}) => {
  const frames: Frame[] = [];
  const states: CaptureState[] = [];
  const handle: CaptureHandle = startCapture(
    { source: sourceOf(text, loop), fps, restartMs: 50 },
    { onFrame: (frame) => frames.push(frame), onFrameError: () => {}, onState: (state) => states.push(state) },
  );
  ends.push(() => handle.stop());
  return { handle, frames, states, words: () => states.map(({ words }) => words).join('\n') };
};

const brightness = ({ picture }: Frame): number => picture.bytes[0] ?? -1;
const isRising = (values: readonly number[]): boolean =>
  values.every((value, i) => i === 0 || value > (values[i - 1] ?? Number.POSITIVE_INFINITY));

describe('a video file', () => {
  it('is read frame by frame, each once, at its own pace', async () => {
    const begun = performance.now();
    const { frames, states } = capture(`ffmpeg:${file}`);
    await expect.poll(() => states.at(-1)?.words).toContain('has come to its end');
    expect(performance.now() - begun).toBeGreaterThan(3_500);
    expect(frames).toHaveLength(FRAMES);
    expect(isRising(frames.map(brightness))).toBe(true);
    expect(frames.every(({ picture }) => picture.kind === 'raw' && picture.width === 66 && picture.height === 18)).toBe(
      true,
    );
  });

  it.each([
    // Just its own rate: none is lost to rounding.
    [25, FRAMES],
    [5, 20],
    // Of three frames two.
    [16.666_666, 67],
    [0.5, 2],
  ])('gives at most %d frames a second', async (fps, expected) => {
    const { frames, states } = capture(`ffmpeg:${file}`, { fps });
    await expect.poll(() => states.at(-1)?.words).toContain('has come to its end');
    expect(Math.abs(frames.length - expected)).toBeLessThanOrEqual(fps === 25 ? 0 : 1);
    expect(isRising(frames.map(brightness))).toBe(true);
  });

  it('is played over and over when asked to', async () => {
    const { frames, states } = capture(`ffmpeg:${file}`, { loop: true });
    await expect.poll(() => frames.length).toBeGreaterThan(FRAMES + 20);
    expect(brightness(frames[FRAMES] as Frame)).toBe(brightness(frames[0] as Frame));
    expect(states).toHaveLength(1);
  });

  it('is answered or dropped, and nothing of it gets lost, while the worker is slow', async () => {
    const archiveDirectory = await writeLightRelease(mkdtempSync(join(folder, 'release-')));
    const worker = await startWorker({ archiveDirectory, providers: ['cpu'], ...workerFromSource });
    ends.push(() => worker.stop());
    let words = '';
    const serving = new Serving({
      capture: { source: sourceOf(`ffmpeg:${file}`), fps: 100 },
      onCaptureState: (state) => {
        words = state.words;
      },
    });
    ends.push(() => serving.stop());
    await serving.switchTo(worker);
    serving.start();
    await expect.poll(() => serving.totals.answered.source).toBeGreaterThan(10);
    process.kill(worker.pid, 'SIGSTOP');
    await expect.poll(() => serving.totals.dropped['worker-busy']).toBeGreaterThan(10);
    process.kill(worker.pid, 'SIGCONT');
    await expect.poll(() => words).toContain('has come to its end');
    const { answered, dropped, errors } = serving.totals;
    await expect.poll(() => answered.source + dropped['worker-busy']).toBe(FRAMES);
    expect([answered.request, dropped['nothing-serves'], errors.size]).toEqual([0, 0, 0]);
    const { frames, dropped: droppedInWindow } = serving.take();
    expect([frames, droppedInWindow]).toEqual([answered.source, dropped['worker-busy']]);
  });

  it('that is none, or not there, is told in the words of ffmpeg', async () => {
    const missing = capture(`ffmpeg:${folder}/missing.mp4`);
    await expect.poll(missing.words).toContain('No such file or directory');
    const none = capture(`ffmpeg:${CAMERA}`);
    await expect.poll(none.words).toContain('Invalid data found');
  });
});

describe('an RTSP camera', () => {
  const camera = async (): Promise<number> => {
    const server = spawn('/usr/bin/python3', [CAMERA], { stdio: ['ignore', 'pipe', 'inherit'] });
    ends.push(async () => {
      server.kill('SIGKILL');
      await once(server, 'close');
    });
    const [line] = await once(server.stdout, 'data');
    return Number(String(line));
  };
  /** Of all processes on this machine, as everybody may read them. */
  const commandLines = (): string =>
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name) => {
        try {
          return readFileSync(`/proc/${name}/cmdline`, 'utf8');
        } catch {
          return '';
        }
      })
      .join('\n');

  it('is read with a password that no command line shows', async () => {
    const port = await camera();
    const { frames, handle } = capture(`ffmpeg:rtsp://ana:s3cret@127.0.0.1:${port}/live`);
    await expect.poll(() => frames.length, { timeout: 60_000 }).toBeGreaterThan(20);
    expect(frames[0]).toMatchObject({ source: `rtsp://127.0.0.1:${port}/live`, picture: { width: 64, height: 48 } });
    expect(readFileSync(`/proc/${handle.pid}/cmdline`, 'utf8')).toContain('ffmpeg');
    expect(commandLines()).not.toContain('s3cret');
  });

  it('that refuses the password, is not there or goes away, is told without the password, and is found again', async () => {
    const port = await camera();
    const refused = capture(`ffmpeg:rtsp://ana:wr0ng@127.0.0.1:${port}/live`);
    await expect.poll(refused.words).toMatch(/401|nauthorized/);
    expect(refused.words()).not.toContain('wr0ng');
    const nobody = capture('ffmpeg:rtsp://ana:s3cret@127.0.0.1:9/live');
    await expect.poll(nobody.words).toContain('Connection refused');
    expect(nobody.words()).not.toContain('s3cret');
    const { frames, handle, states } = capture(`ffmpeg:rtsp://ana:s3cret@127.0.0.1:${port}/live`);
    await expect.poll(() => frames.length, { timeout: 60_000 }).toBeGreaterThan(5);
    process.kill(handle.pid ?? 0, 'SIGKILL');
    await expect.poll(() => states.map(({ flowing }) => flowing), { timeout: 60_000 }).toEqual([true, false, true]);
  });
});

describe('a GStreamer pipeline', () => {
  it('gives every frame of a source once', async () => {
    const pattern = 'videotestsrc num-buffers=60 is-live=true ! video/x-raw,width=34,height=22,framerate=30/1';
    const { frames, handle } = capture(`gst:${pattern}`);
    await expect.poll(() => handle.restarts).toBe(1);
    await handle.stop();
    expect(frames.length).toBeGreaterThanOrEqual(60);
    // What comes beyond the sixty is of the pipeline that was begun anew.
    expect(frames.length).toBeLessThan(120);
    expect(frames[0]).toMatchObject({ source: 'gst:videotestsrc', picture: { width: 34, height: 22, channels: 3 } });
  });

  it('gives at most so many a second', async () => {
    const pattern = 'videotestsrc num-buffers=60 is-live=true ! video/x-raw,width=34,height=22,framerate=30/1';
    const { frames, handle } = capture(`gst:${pattern}`, { fps: 5 });
    await expect.poll(() => handle.restarts).toBe(1);
    expect(frames.length).toBeGreaterThanOrEqual(9);
    expect(frames.length).toBeLessThanOrEqual(13);
  });

  it('that is none is told in the words of GStreamer', async () => {
    const { words } = capture('gst:nosuchelement');
    await expect.poll(words).toContain('nosuchelement');
  });
});

describe('a video that the agent of a fleet reads', () => {
  const RELEASE = 'numbers@1.0.0';
  let fleet: TestFleet;
  let agent: WatchedAgent | undefined;
  /** What the control plane was told of by the agents before. */
  let before = { frames: 0, dropped: 0, errors: 0 };
  let videos = 0;

  beforeAll(async () => {
    fleet = await TestFleet.start();
    const model = join(fleet.directory, 'numbers');
    await writeNumberReader(model);
    await fleet.aviary('model', 'push', model, '--key', fleet.keyPath);
    fleet.sources.set('door', ['--source', 'none']);
    await fleet.addDevice('door', 'x86-64');
    const waves = [{ size: '100%', soak: '0s' }];
    const strategy = { waves, deadline: '60s', probation: { ...PROBATION, seconds: 1, minFrames: 0 } };
    const id = await fleet.rollOut('1.0.0', waves, { release: RELEASE, strategy });
    expect((await fleet.ended(id)).state).toBe('FINISHED');
  });
  afterAll(() => fleet?.stop());
  afterEach(async () => {
    agent?.close();
    before = await told();
  });

  const health = async () => (await ask(fleet.socketOf('door'), 'GET', '/healthz')).body;
  /** Minutes are added up, since what is told of a release begins anew each time that it begins to serve. */
  const told = async () => {
    const [device] = await fleet.devices();
    const { items } = await fleet.client.deviceMetrics({ params: { id: device?.id ?? '' } });
    const sumOf = (key: 'frames' | 'dropped' | 'errors') => items.reduce((sum, minute) => sum + minute[key], 0);
    return { frames: sumOf('frames'), dropped: sumOf('dropped'), errors: sumOf('errors') };
  };
  /** What the control plane has been told since this agent has begun. */
  const toldSince = async () => {
    const now = await told();
    return {
      frames: now.frames - before.frames,
      dropped: now.dropped - before.dropped,
      errors: now.errors - before.errors,
    };
  };

  /** Starts the agent anew, and lays the video where it looks for one once its release serves. */
  const play = async (frames: number, rate: number): Promise<WatchedAgent> => {
    const name = `numbers-${videos}.mkv`;
    videos += 1;
    const [ready, awaited] = [join(folder, name), join(fleet.directory, name)];
    await writeNumberedVideo(ready, frames, rate);
    expect(await countFrames(ready)).toBe(frames);
    await fleet.agents.get('door')?.stop();
    fleet.sources.set('door', ['--source', `ffmpeg:${awaited}`, '--fps', `${rate}`]);
    fleet.startAgent('door');
    await until('a release that serves', 60, async () => ((await health()).status === 'serving' ? true : undefined));
    agent = await WatchedAgent.open(fleet.socketOf('door'));
    await justLooked();
    await rename(ready, awaited);
    return agent;
  };
  /** Right after it has looked for the video in vain; the next time is a second away at least. */
  const justLooked = async () => {
    const words = async (): Promise<string> => (await health()).capture?.words ?? '';
    const earlier = await words();
    await until('the next look for the video', 60, async () => {
      const now = await words();
      return now !== earlier && /again in [1-9]\d{3,} ms/.test(now) ? true : undefined;
    });
  };
  const isOver = () =>
    until('the end of the video', 60, async () =>
      (await health()).capture?.words.includes('has come to its end') ? true : undefined,
    );
  /** All frames, whatever became of them. */
  const allOf = async (watched: WatchedAgent) => {
    const { answered, dropped, errors } = await watched.counts();
    return answered + dropped + errors;
  };
  const worker = async (): Promise<number> => {
    const [device] = await fleet.devices();
    const [pid] = processesWith('worker-main', device?.id ?? '');
    if (pid === undefined) throw new Error('there is no worker');
    return pid;
  };

  it('is answered frame by frame, in order, where the model keeps up', async () => {
    const watched = await play(60, 5);
    await isOver();
    await expect.poll(() => watched.results.length).toBe(60);
    expect(watched.results.map(numberIn)).toEqual(Array.from({ length: 60 }, (_, number) => number));
    expect(await watched.counts()).toEqual({ answered: 60, dropped: 0, errors: 0 });
    await expect.poll(toldSince).toEqual({ frames: 60, dropped: 0, errors: 0 });
  });

  it('is answered or dropped, and each frame is told of once, where the model does not keep up', async () => {
    const watched = await play(600, 100);
    await until('answers', 30, async () => (watched.results.length > 50 ? true : undefined));
    const pid = await worker();
    process.kill(pid, 'SIGSTOP');
    await until('frames that are dropped', 30, async () => ((await watched.counts()).dropped > 50 ? true : undefined));
    process.kill(pid, 'SIGCONT');
    await isOver();
    await expect.poll(() => allOf(watched)).toBe(600);
    const { answered, dropped, errors } = await watched.counts();
    expect(errors).toBe(0);
    await expect.poll(toldSince).toEqual({ frames: answered, dropped, errors: 0 });
    await expect.poll(() => watched.results.length).toBe(answered);
    // None twice, and none before one that came earlier.
    expect(isRising(watched.results.map(numberIn))).toBe(true);
  });

  it('is counted to its last frame also where a worker dies over two of them', async () => {
    const watched = await play(600, 100);
    await until('answers', 30, async () => (watched.results.length > 50 ? true : undefined));
    const pid = await worker();
    process.kill(pid, 'SIGSTOP');
    await until('frames that are dropped', 30, async () => ((await watched.counts()).dropped > 50 ? true : undefined));
    process.kill(pid, 'SIGKILL');
    await isOver();
    await expect.poll(() => allOf(watched)).toBe(600);
    const { answered, dropped, errors } = await watched.counts();
    // One was in work and one in its pipe.
    expect(errors).toBe(2);
    await expect.poll(() => watched.results.length).toBe(answered);
    expect(isRising(watched.results.map(numberIn))).toBe(true);
    await expect.poll(toldSince).toMatchObject({ frames: answered, errors: 2 });
    // While nothing serves, what is dropped says nothing of a release and is told of none.
    expect((await toldSince()).dropped).toBeLessThanOrEqual(dropped);
    expect((await toldSince()).dropped).toBeGreaterThan(50);
  });
});
