import { describe, expect, it } from 'vitest';
import { countsText, normalTruth, truthKind } from './truth.ts';

const LABELS = ['person', 'traffic light', 'car'];

describe('a frame with objects', () => {
  it('is told as counts in the order of the labels', () => {
    expect(countsText(['car', 'person', 'car', 'traffic light'], LABELS)).toBe('1 person; 1 traffic light; 2 car');
    expect(countsText([], LABELS)).toBe('none');
  });

  it.each([
    ['2 car; 1 person', '1 person; 2 car'],
    [' 1 traffic light;3 car ', '1 traffic light; 3 car'],
    ['none', 'none'],
    ['0 car', 'none'],
    ['car', undefined],
    ['2 bird', undefined],
    ['1 car; 1 car', undefined],
    ['', undefined],
    ['-1 car', undefined],
  ])('may be written as %j', (text, normal) => {
    expect(normalTruth('counts', text, LABELS)).toBe(normal);
  });
});

it('says nothing, any text, or a label elsewhere', () => {
  expect([normalTruth('label', 'car', LABELS), normalTruth('label', 'bird', LABELS)]).toEqual(['car', undefined]);
  expect(normalTruth('text', 'any', [])).toBe('any');
  expect([normalTruth('nothing', '', []), normalTruth('nothing', 'x', [])]).toEqual(['', undefined]);
});

it('is counted in a cascade that ends in a classifier', () => {
  expect(truthKind({ task: 'classification' })).toBe('label');
  expect(truthKind({ task: 'classification', cascade: [] })).toBe('counts');
  expect(truthKind({ task: 'text', cascade: [] })).toBe('text');
});
