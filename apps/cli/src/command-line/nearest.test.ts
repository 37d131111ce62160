import { describe, expect, it } from 'vitest';
import { nearest } from './nearest.ts';

const COMMANDS = ['enroll-token', 'label', 'list', 'show'];

describe('nearest', () => {
  it.each([
    ['lst', 'list'],
    ['lits', 'list'],
    ['lables', 'label'],
    ['enrol-token', 'enroll-token'],
    ['shows', 'show'],
  ])('%s was meant to be %s', (word, meant) => {
    expect(nearest(word, COMMANDS)).toBe(meant);
  });

  it.each(['nosuch', 'x', 'delete', ''])('has no idea what "%s" was meant to be', (word) => {
    expect(nearest(word, COMMANDS)).toBeUndefined();
  });

  it('takes the nearest of several', () => {
    expect(nearest('--serve', ['--sever-all', '--server', '--serv'])).toBe('--server');
    expect(nearest('list', ['lost', 'list'])).toBe('list');
  });
});
