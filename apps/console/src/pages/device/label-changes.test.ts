import { describe, expect, it } from 'vitest';
import { labelChanges, labelCommand, rowProblems } from './label-changes.ts';

const rows = (...labels: [string, string][]) => labels.map(([key, value], row) => ({ row, key, value }));

describe('labelChanges', () => {
  it('says only what is different', () => {
    const before = { site: 'lyon', floor: '1', lab: 'x' };
    const changes = labelChanges(before, rows(['site', 'lyon'], ['floor', '2'], ['role', 'gate'], ['', '']));
    expect(changes).toEqual({ lab: null, floor: '2', role: 'gate' });
    expect(labelCommand('d-1', changes)).toBe('aviary device label d-1 lab- floor=2 role=gate');
  });

  it('is nothing when nothing was changed', () => {
    expect(labelChanges({ site: 'lyon' }, rows(['site', 'lyon']))).toEqual({});
  });

  it('takes a label that is called like something every object has', () => {
    expect(labelChanges({}, rows(['constructor', 'x']))).toEqual({ constructor: 'x' });
  });

  it('quotes what a shell would split', () => {
    expect(labelCommand('d-1', { note: 'left of the door' })).toBe("aviary device label d-1 'note=left of the door'");
  });
});

describe('rowProblems', () => {
  it('names the line of a wrong key and of one that is there twice', () => {
    const problems = rowProblems(rows(['site', 'lyon'], ['Site', 'x'], ['site', 'metz'], ['', ''], ['', 'value']));
    expect([...problems.keys()]).toEqual([1, 2, 4]);
  });
});
