import { describe, expect, it } from 'vitest';
import { renderAge, renderLabels, renderTable } from './table.ts';

describe('renderTable', () => {
  it('aligns columns by their widest cell and leaves no blanks at the end', () => {
    expect(
      renderTable(
        ['id', 'name'],
        [
          ['d-1', 'a'],
          ['d-222', 'bb'],
        ],
      ),
    ).toBe('ID     NAME\nd-1    a\nd-222  bb');
  });

  it('prints a header alone when there are no rows', () => {
    expect(renderTable(['id', 'name'], [])).toBe('ID  NAME');
  });

  it('takes a terminal’s orders from no cell', () => {
    const table = renderTable(['name'], [['\u001b]0;owned\u0007\r\nx']]);
    expect(table.split('\n')).toHaveLength(2);
    expect(table.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });
});

describe('renderAge', () => {
  it('speaks in the largest unit that fits', () => {
    const ages = [null, 12_000, 300_000, 10_800_000, 172_800_000].map((ago) =>
      renderAge(ago === null ? null : 1e12 - ago, 1e12),
    );
    expect(ages).toEqual(['never', '12s', '5m', '3h', '2d']);
  });

  it('takes a clock that is ahead for no time at all', () => {
    expect(renderAge(2_000, 1_000)).toBe('0s');
  });
});

describe('renderLabels', () => {
  it('sorts by key', () => {
    expect(renderLabels({ site: 'lyon', floor: '2' })).toBe('floor=2,site=lyon');
  });
});
