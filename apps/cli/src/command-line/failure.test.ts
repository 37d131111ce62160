import { ApiError } from '@aviary/protocol';
import { describe, expect, it } from 'vitest';
import { failureOf } from './failure.ts';
import { UsageError } from './usage-error.ts';

const problem = (status: number, problems?: { path: string; message: string }[], code = 'some-code') =>
  new ApiError({
    type: 'about:blank',
    title: 'The rollout cannot be created',
    status,
    code,
    detail: 'Expected a release, got nothing.',
    ...(problems === undefined ? {} : { problems }),
  });

describe('failureOf', () => {
  it.each([
    ['what the user wrote', new UsageError('Expected a folder.'), 2],
    ['what the control plane finds wrong with it', problem(400), 2],
    ['a file of the user', Object.assign(new Error('x'), { code: 'model-definition-invalid' }), 2],
    ['a control plane that knows no such thing', problem(404), 1],
    ['a control plane in trouble', problem(503), 1],
    ['somebody else at that address', problem(400, undefined, 'unexpected-answer'), 1],
    ['a system call', Object.assign(new Error('x'), { code: 'ENOSPC' }), 1],
    ['anything else', new Error('x'), 1],
  ])('gives %s its exit code', (_, error, exitCode) => {
    expect(failureOf(error, undefined).exitCode).toBe(exitCode);
  });

  it('tells one problem in a sentence and several in a list', () => {
    const one = [{ path: 'release', message: 'expected model@version' }];
    expect(failureOf(problem(400, one), undefined).text).toBe('aviary: Expected a release, got nothing.');
    const two = [...one, { path: 'target', message: 'expected a selector' }];
    expect(failureOf(problem(400, two), undefined).text).toBe(
      'aviary: The rollout cannot be created:\n  release: expected model@version\n  target: expected a selector',
    );
  });

  it('takes off what the parser of flags puts around a message', () => {
    const error = new UsageError('Parsing --ttl \n\tExpected a duration, got "5".\nSee more help with --help');
    expect(failureOf(error, 'device enroll-token').text).toBe('aviary: Expected a duration, got "5".');
  });

  it('names all flags that are missing, on one line', () => {
    const words =
      'The following errors occurred:\n  Missing required flag from\n  Missing required flag out\nSee more help with --help';
    const error = Object.assign(new Error(words), { oclif: { exit: 2 } });
    expect(failureOf(error, 'fed candidate').text).toBe(
      'aviary: Expected --from, got nothing. Expected --out, got nothing. See: aviary fed candidate --help',
    );
  });
});
