import { labelsSchema } from '@aviary/protocol';
import { describe, expect, it } from 'vitest';
import { labelProblem, readLabels } from './label-text.ts';

describe('readLabels', () => {
  it('takes spaces, commas, empty values, and “=” in values', () => {
    expect(readLabels(' site=lyon, floor=  2=x ')).toEqual({
      labels: { site: 'lyon', floor: '' },
      problems: [{ part: '2=x', message: expect.stringContaining('begins with a letter') }],
    });
    expect(readLabels('note=a=b').labels).toEqual({ note: 'a=b' });
    expect(readLabels('')).toEqual({ labels: {}, problems: [] });
  });

  it('says what has no value, and what is there twice', () => {
    expect(readLabels('site lab=1 lab=2').problems.map(({ part }) => part)).toEqual(['site', 'lab=2']);
  });
});

describe('labelProblem', () => {
  it.each([
    ['site', 'lyon'],
    ['Site', 'lyon'],
    ['1st', ''],
    ['a'.repeat(63), 'x'],
    ['a'.repeat(64), 'x'],
    ['key', 'x'.repeat(128)],
    ['key', 'x'.repeat(129)],
    ['ké', 'x'],
    ['', 'x'],
  ])('judges %j=%j as the wire does', (key, value) => {
    expect(labelProblem(key, value) === undefined).toBe(labelsSchema.safeParse({ [key]: value }).success);
  });
});
