import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CaptureHandle, startCapture } from './capture/capture-handle.ts';
import type { Frame } from './frame.ts';
import { Serving } from './serving.ts';
import { ShadowRun } from './shadow-run.ts';
import {
  captureFromSource,
  grayPng,
  TemporaryFolders,
  workerFromSource,
  writeLightRelease,
} from './testing/light-release.ts';
import { startWorker, type WorkerHandle } from './worker-handle.ts';

const folders = new TemporaryFolders();
const ends: (() => Promise<unknown>)[] = [];
let archiveDirectory = '';
let pictures = '';

beforeAll(async () => {
  archiveDirectory = await writeLightRelease(folders.make());
  pictures = folders.make();
  // Four pictures: one answered wrongly, one unsure, one that is no picture.
  writeFileSync(join(pictures, '1.png'), await grayPng(0));
  writeFileSync(join(pictures, '2.png'), await grayPng(255));
  writeFileSync(join(pictures, '3.png'), await grayPng(128));
  writeFileSync(join(pictures, '4.png'), 'no picture');
  writeFileSync(join(pictures, 'labels.csv'), '1.png,dark\n2.png,dark\n');
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(() => folders.remove());

async function worker(): Promise<WorkerHandle> {
  const handle = await startWorker({ archiveDirectory, providers: [], ...workerFromSource });
  ends.push(() => handle.stop());
  return handle;
}

function serving(path: string, more: { fps?: number; mailboxSize?: number } = {}): Serving {
  const { fps = 100, ...options } = more;
  const made = new Serving({ capture: { source: { kind: 'directory', path }, fps, ...captureFromSource }, ...options });
  ends.push(() => made.stop());
  return made;
}

function capture(
  path: string,
  restartMs = 20,
): { handle: CaptureHandle; frames: Frame[]; words: string[]; errors: string[] } {
  const frames: Frame[] = [];
  const words: string[] = [];
  const errors: string[] = [];
  const handle = startCapture(
    { source: { kind: 'directory', path }, fps: 100, restartMs, ...captureFromSource },
    {
      onFrame: (frame) => frames.push(frame),
      onFrameError: (source) => errors.push(source),
      onState: (state) => words.push(state.words),
    },
  );
  ends.push(() => handle.stop());
  return { handle, frames, words, errors };
}

describe('the capture', () => {
  it('is started again when it dies, and is gone after stop', async () => {
    const { handle, frames, words } = capture(pictures);
    await expect.poll(() => frames.length).toBeGreaterThan(2);
    expect(frames[0]).toMatchObject({ source: '1.png', truth: 'dark', picture: { kind: 'encoded' } });
    const first = handle.pid ?? 0;
    process.kill(first, 'SIGKILL');
    await expect
      .poll(() => words)
      .toContainEqual(expect.stringContaining('the capture process ended (signal SIGKILL)'));
    frames.length = 0;
    await expect.poll(() => frames.length).toBeGreaterThan(0);
    const second = handle.pid ?? 0;
    expect(second).not.toBe(first);
    await handle.stop();
    expect(existsSync(`/proc/${second}`)).toBe(false);
  });

  it('waits for a directory that is not there yet, and goes past what is no file', async () => {
    const path = folders.make();
    rmSync(path, { recursive: true });
    const { frames, words, errors } = capture(path);
    await expect.poll(() => words).toContainEqual(expect.stringContaining('ENOENT'));
    mkdirSync(join(path, '0.png'), { recursive: true });
    writeFileSync(join(path, '1.png'), 'a picture');
    await expect.poll(() => frames.length).toBeGreaterThan(1);
    expect(errors).toContain('0.png');
    expect(words.at(-1)).toBe(`pictures come from ${path}`);
  });
});

describe('Serving', () => {
  it('counts what the worker answers, for the window and since the mark', async () => {
    // Room for all of them: what is dropped would be missing from the sums below.
    const made = serving(pictures, { mailboxSize: 10_000 });
    await made.switchTo(await worker());
    made.start();
    await expect.poll(() => made.observe().errors).toBeGreaterThanOrEqual(3);
    const window = made.take();
    // Of four pictures one is no picture, two have a label, one of those is answered rightly.
    expect(Math.abs(window.frames - 3 * window.errors)).toBeLessThanOrEqual(3);
    expect(Math.abs(window.labelled - 2 * window.correct)).toBeLessThanOrEqual(2);
    expect(window.correct).toBeGreaterThan(0);
    expect(window.lowConfidence).toBeGreaterThan(0);
    expect(window.latencyMs.max).toBeGreaterThanOrEqual(window.latencyMs.p95);
    expect(made.take().frames).toBeLessThan(window.frames);
    expect(made.observe().frames).toBeGreaterThanOrEqual(window.frames);
    made.mark();
    expect(made.observe()).toMatchObject({ frames: 0, errors: 0, p95Ms: 0 });
  });

  it('drops the oldest frames while no worker serves', async () => {
    const made = serving(pictures, { mailboxSize: 2 });
    made.start();
    await expect.poll(() => made.take().dropped).toBeGreaterThan(0);
    expect(made.observe().frames).toBe(0);
  });

  it('goes on with another worker when one is lost or exchanged, on the same capture', async () => {
    const states: string[] = [];
    const made = new Serving({
      capture: { source: { kind: 'directory', path: pictures }, fps: 100, ...captureFromSource },
      onCaptureState: (state) => states.push(state.words),
    });
    ends.push(() => made.stop());
    const [first, second, third] = [await worker(), await worker(), await worker()];
    await made.switchTo(first);
    made.start();
    await expect.poll(() => made.observe().frames).toBeGreaterThan(0);

    expect(await made.switchTo(second)).toBe(first);
    made.mark();
    await expect.poll(() => made.observe().frames).toBeGreaterThan(3);

    process.kill(second.pid, 'SIGKILL');
    await second.exited;
    await expect.poll(() => made.worker).toBe(null);
    await made.switchTo(third);
    made.mark();
    await expect.poll(() => made.observe().frames).toBeGreaterThan(3);
    expect(states).toEqual([`pictures come from ${pictures}`]);
  });
});

describe('a release in shadow of another', () => {
  const OPTIONS = { task: 'classification', tolerance: 0, every: 1, frames: Number.POSITIVE_INFINITY } as const;

  it('sees what the serving one has answered, and leaves no trace', async () => {
    const results: string[] = [];
    const made = new Serving({
      capture: { source: { kind: 'directory', path: pictures }, fps: 50, ...captureFromSource },
      onResult: (_, { id }) => results.push(id),
    });
    ends.push(() => made.stop());
    const [first, candidate] = [await worker(), await worker()];
    await made.switchTo(first);
    made.start();
    const run = new ShadowRun(candidate, { ...OPTIONS, frames: 20 });
    made.witness(run);
    await run.over;
    made.witness(null);
    // Three of four pictures can be answered, and both say the same of them.
    expect(run.tally).toMatchObject({ frames: 20, agreed: 20, failed: 0 });
    const { frames } = made.take();
    expect(made.totals.answered.source).toBe(frames);
    expect(results).toHaveLength(frames);
    expect(new Set(results.map((id) => id.split('-')[0])).size).toBe(1);
  });

  it('drops frames of its own when it is slow, and never one of the serving one', async () => {
    // Room enough for a machine that has much else to do: only who waits for the other would lose a frame.
    const made = serving(pictures, { fps: 20, mailboxSize: 200 });
    await made.switchTo(await worker());
    const asked: string[] = [];
    // As slow as can be: it never answers.
    const run = new ShadowRun({ infer: ({ source }) => new Promise(() => asked.push(source)) }, OPTIONS);
    made.witness(run);
    made.start();
    await expect.poll(() => made.totals.answered.source, { timeout: 20_000 }).toBeGreaterThanOrEqual(12);
    const { frames, dropped } = made.take();
    expect(dropped).toBe(0);
    expect(asked).toHaveLength(1);
    // One is with it, and two wait.
    expect(run.tally).toEqual({ frames: 0, agreed: 0, failed: 0, dropped: frames - 3 });
    run.end();
  });

  it('makes nothing count that is observed meanwhile, and telemetry counts on', async () => {
    const made = serving(pictures);
    await made.switchTo(await worker());
    made.start();
    await expect.poll(() => made.observe().frames).toBeGreaterThan(3);
    made.disturbed(true);
    const before = made.observe();
    made.take();
    await expect.poll(() => made.totals.answered.source).toBeGreaterThan(before.frames + 8);
    expect(made.take().frames).toBeGreaterThan(0);
    expect(made.observe()).toEqual(before);
    made.disturbed(false);
    await expect.poll(() => made.observe().frames).toBeGreaterThan(before.frames);
  });
});

describe('a picture of an application', () => {
  const ask = async (made: Serving, gray: number, signal = new AbortController().signal) =>
    made.ask({ source: `app ${gray}`, picture: { kind: 'encoded', bytes: await grayPng(gray) } }, signal);
  const alone = (more: { mostRequests?: number } = {}): Serving => {
    const made = new Serving({ capture: null, ...more });
    ends.push(() => made.stop());
    return made;
  };

  it('is answered beside the frames of the source, and counted as they are', async () => {
    const made = serving(pictures);
    await made.switchTo(await worker());
    made.start();
    await expect.poll(() => made.totals.answered.source).toBeGreaterThan(3);
    expect(await ask(made, 255)).toMatchObject({ release: 'light-reader@1.0.0', result: { label: 'light' } });
    expect(made.totals.answered.request).toBe(1);
    const { source, request } = made.totals.answered;
    expect(made.observe().frames).toBe(source + request);
    expect(made.totals.upTo.at(-1)?.frames).toBe(source + request);
  });

  it('that is none says nothing of the release', async () => {
    const made = alone();
    await made.switchTo(await worker());
    const signal = new AbortController().signal;
    const broken = made.ask({ source: 'app', picture: { kind: 'encoded', bytes: Buffer.from('no picture') } }, signal);
    await expect(broken).rejects.toMatchObject({ code: 'frame-undecodable' });
    expect(made.observe()).toMatchObject({ frames: 0, errors: 0 });
    expect(await ask(made, 0)).toMatchObject({ result: { label: 'dark' } });
  });

  it('is refused when nothing serves, or too many wait, and forgotten when nobody waits for it', async () => {
    const made = alone({ mostRequests: 2 });
    await expect(ask(made, 0)).rejects.toMatchObject({ code: 'nothing-serves' });
    const handle = await worker();
    await made.switchTo(handle);
    process.kill(handle.pid, 'SIGSTOP');
    const bytes = await grayPng(0);
    const askAgain = (signal = new AbortController().signal) =>
      made.ask({ source: 'app', picture: { kind: 'encoded', bytes } }, signal);
    // Two are with the worker, two wait.
    const nobody = new AbortController();
    const asked = [askAgain(), askAgain(), askAgain(nobody.signal), askAgain()];
    expect(made.waiting.request).toBe(2);
    await expect(askAgain()).rejects.toMatchObject({ code: 'requests-too-many' });
    nobody.abort(new Error('gone'));
    await expect(asked[2]).rejects.toThrow('gone');
    expect(made.waiting.request).toBe(1);
    process.kill(handle.pid, 'SIGCONT');
    const answers = await Promise.all([asked[0], asked[1], asked[3]]);
    expect(answers.map((answer) => answer?.result.label)).toEqual(['dark', 'dark', 'dark']);
    expect(made.totals.answered).toEqual({ source: 0, request: 3 });
  });
});
