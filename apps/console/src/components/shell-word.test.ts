import { describe, expect, it } from 'vitest';
import { shellWord } from './shell-word.ts';

describe('shellWord', () => {
  it('quotes what a shell would read, and nothing', () => {
    expect(['site=lyon', 'a b', "it's", '$(x)', ''].map(shellWord)).toEqual([
      'site=lyon',
      "'a b'",
      "'it'\\''s'",
      "'$(x)'",
      "''",
    ]);
  });
});
