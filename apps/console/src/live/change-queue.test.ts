import { describe, expect, it } from 'vitest';
import { ChangeQueue, staleKeys } from './change-queue.ts';

describe('staleKeys', () => {
  it('names the lists of a topic, those that changed, and the overview', () => {
    expect(staleKeys([{ topic: 'devices', ids: ['d-1', 'd-2'] }])).toEqual([
      ['devices', 'list'],
      ['devices', 'one', 'd-1'],
      ['devices', 'one', 'd-2'],
      ['overview'],
    ]);
  });

  it('names all of a topic of which many changed, and each key once', () => {
    const changes = [
      { topic: 'devices', ids: ['d-1'] },
      { topic: 'rollouts', ids: ['r-1'] },
      { topic: 'devices', ids: null },
      { topic: 'rollouts', ids: ['r-1'] },
    ];
    expect(staleKeys(changes)).toEqual([['devices'], ['rollouts', 'list'], ['rollouts', 'one', 'r-1'], ['overview']]);
  });

  it('is nothing when nothing changed', () => {
    expect(staleKeys([])).toEqual([]);
  });
});

describe('ChangeQueue', () => {
  /** Readings as they begin, each of which ends when it is told to. */
  const readings = () => {
    const begun: { keys: (readonly string[])[]; end: () => void; fail: () => void }[] = [];
    const queue = new ChangeQueue(
      (keys) =>
        new Promise<void>((resolve, reject) => {
          begun.push({ keys, end: resolve, fail: () => reject(new Error('no answer')) });
        }),
    );
    return { begun, queue };
  };
  const settled = () => new Promise((resolve) => setTimeout(resolve));

  it('reads once at a time, and what came meanwhile in the next reading', async () => {
    const { begun, queue } = readings();
    queue.push({ topic: 'devices', ids: ['d-1'] });
    for (let id = 2; id < 1000; id += 1) queue.push({ topic: 'devices', ids: [`d-${id}`] });
    expect(begun).toHaveLength(1);
    begun[0]?.end();
    await settled();
    expect(begun).toHaveLength(2);
    expect(begun[1]?.keys).toHaveLength(998 + 2);
    begun[1]?.end();
    await settled();
    expect(begun).toHaveLength(2);
    queue.push({ topic: 'rounds', ids: null });
    expect(begun[2]?.keys).toEqual([['rounds'], ['overview']]);
  });

  it('goes on after a reading that failed', async () => {
    const { begun, queue } = readings();
    queue.push({ topic: 'devices', ids: ['d-1'] });
    queue.push({ topic: 'devices', ids: ['d-2'] });
    begun[0]?.fail();
    await settled();
    expect(begun[1]?.keys).toContainEqual(['devices', 'one', 'd-2']);
  });
});
