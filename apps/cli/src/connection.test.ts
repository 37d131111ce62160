import { describe, expect, it } from 'vitest';
import { everyItem } from './connection.ts';

describe('everyItem', () => {
  it('follows the cursor to the last page, in order', async () => {
    const pages: Record<string, { items: number[]; nextCursor: string | null }> = {
      '': { items: [1, 2], nextCursor: 'a' },
      a: { items: [], nextCursor: 'b' },
      b: { items: [3], nextCursor: null },
    };
    const items = await everyItem(async ({ cursor = '' }) => pages[cursor] ?? { items: [], nextCursor: null });
    expect(items).toEqual([1, 2, 3]);
  });
});
