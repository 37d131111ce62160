import { describe, expect, it } from 'vitest';
import { Mailbox } from './mailbox.ts';

describe('Mailbox', () => {
  it('lets the oldest go when it is full, and says so', () => {
    const mailbox = new Mailbox<string>(2);
    expect(['a', 'b', 'c'].map((item) => mailbox.offer(item))).toEqual([0, 0, 1]);
    expect([mailbox.take(), mailbox.take(), mailbox.take()]).toEqual(['b', 'c', undefined]);
  });

  it('has room for at least one', () => {
    expect(() => new Mailbox(0)).toThrow(RangeError);
  });
});
