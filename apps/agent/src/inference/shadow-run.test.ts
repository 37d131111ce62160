import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { FrameError, WorkerLostError } from './errors.ts';
import type { AnsweredFrame, Frame, FrameAnswer } from './frame.ts';
import { ShadowRun, type ShadowRunOptions } from './shadow-run.ts';

const OPTIONS: ShadowRunOptions = { task: 'classification', tolerance: 0, every: 1, frames: Number.POSITIVE_INFINITY };
const frame = (source = 'f'): Frame => ({ source, picture: { kind: 'encoded', bytes: new Uint8Array() } });
const saying = (label: string): FrameAnswer => ({ label, confidence: 1, lowConfidence: false });
const answered = (label: string): AnsweredFrame => ({
  ...saying(label),
  id: 'x-1',
  at: 0,
  ms: { preprocess: 0, run: 0, postprocess: 0, total: 0 },
});

/** A candidate that answers when it is told to. */
class SlowCandidate {
  readonly asked: string[] = [];
  readonly #waiting: ((answer: Promise<AnsweredFrame>) => void)[] = [];

  readonly infer = ({ source }: Frame): Promise<AnsweredFrame> => {
    this.asked.push(source);
    return new Promise((resolve) => this.#waiting.push(resolve));
  };

  async answers(answer: AnsweredFrame | Error): Promise<void> {
    this.#waiting.shift()?.(answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer));
    await turn();
  }
}

describe('a run in shadow', () => {
  it('compares frame by frame, and has seen enough in the end', async () => {
    const candidate = new SlowCandidate();
    const run = new ShadowRun(candidate, { ...OPTIONS, frames: 2 });
    run.seen(frame('1'), saying('dark'));
    await candidate.answers(answered('dark'));
    run.seen(frame('2'), saying('dark'));
    await candidate.answers(answered('light'));
    await run.over;
    run.seen(frame('3'), saying('dark'));
    expect(candidate.asked).toEqual(['1', '2']);
    expect(run.tally).toEqual({ frames: 2, agreed: 1, failed: 0, dropped: 0 });
  });

  it('gives a slow candidate one frame at a time, keeps the newest two, and counts what it lets go', async () => {
    const candidate = new SlowCandidate();
    const run = new ShadowRun(candidate, OPTIONS);
    for (let i = 1; i <= 10; i += 1) run.seen(frame(`${i}`), saying('dark'));
    expect(candidate.asked).toEqual(['1']);
    expect(run.tally.dropped).toBe(7);
    for (let i = 0; i < 3; i += 1) await candidate.answers(answered('dark'));
    expect(candidate.asked).toEqual(['1', '9', '10']);
    expect(run.tally).toEqual({ frames: 3, agreed: 3, failed: 0, dropped: 7 });
  });

  it('sees every so-many-th frame', async () => {
    const candidate = new SlowCandidate();
    const run = new ShadowRun(candidate, { ...OPTIONS, every: 3 });
    for (let i = 1; i <= 7; i += 1) {
      run.seen(frame(`${i}`), saying('dark'));
      await candidate.answers(answered('dark'));
    }
    expect(candidate.asked).toEqual(['1', '4', '7']);
    expect(run.tally).toMatchObject({ frames: 3, dropped: 0 });
  });

  it('takes a frame that only the serving release could answer for one that they do not agree on', async () => {
    const candidate = new SlowCandidate();
    const run = new ShadowRun(candidate, OPTIONS);
    run.seen(frame(), saying('dark'));
    await candidate.answers(new FrameError('frame-failed', 'no'));
    expect(run.tally).toEqual({ frames: 1, agreed: 0, failed: 1, dropped: 0 });
  });

  it('ends with the candidate, and counts nothing that comes after its end', async () => {
    const dying = new SlowCandidate();
    const lost = new ShadowRun(dying, OPTIONS);
    lost.seen(frame(), saying('dark'));
    await dying.answers(new WorkerLostError('worker-exited', 'gone'));
    await expect(lost.over).rejects.toThrow('gone');

    const candidate = new SlowCandidate();
    const run = new ShadowRun(candidate, OPTIONS);
    run.seen(frame(), saying('dark'));
    run.end();
    await candidate.answers(answered('dark'));
    await run.over;
    expect(run.tally).toEqual({ frames: 0, agreed: 0, failed: 0, dropped: 0 });
  });
});
