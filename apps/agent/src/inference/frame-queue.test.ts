import { describe, expect, it } from 'vitest';
import type { Frame } from './frame.ts';
import { FrameQueue, type Request } from './frame-queue.ts';

const frame = (source: string): Frame => ({ source, picture: { kind: 'encoded', bytes: new Uint8Array(0) } });
const request = (source: string): Request => ({ frame: frame(source), resolve: () => {}, reject: () => {} });

const takeAll = (queue: FrameQueue): string[] => {
  const taken: string[] = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) taken.push(next.frame.source);
  return taken;
};

describe('what waits for the worker', () => {
  it('takes turns while frames and requests both wait', () => {
    const queue = new FrameQueue(4, 4);
    for (const n of [1, 2, 3]) queue.offer(frame(`frame ${n}`));
    for (const n of [1, 2]) expect(queue.ask(request(`request ${n}`))).toBe(true);
    expect(takeAll(queue)).toEqual(['request 1', 'frame 1', 'request 2', 'frame 2', 'frame 3']);
  });

  it('drops the oldest frame, and refuses the newest request', () => {
    const queue = new FrameQueue(1, 1);
    expect([queue.offer(frame('frame 1')), queue.offer(frame('frame 2'))]).toEqual([0, 1]);
    expect([queue.ask(request('request 1')), queue.ask(request('request 2'))]).toEqual([true, false]);
    expect([queue.frames, queue.requests]).toEqual([1, 1]);
    expect(takeAll(queue)).toEqual(['request 1', 'frame 2']);
  });

  it('forgets a request that nobody waits for', () => {
    const queue = new FrameQueue(1, 2);
    const [first, second] = [request('request 1'), request('request 2')];
    queue.ask(first);
    queue.ask(second);
    queue.withdraw(first);
    const taken = queue.take();
    queue.withdraw(second);
    expect(taken?.request).toBe(second);
    expect(takeAll(queue)).toEqual([]);
  });
});
