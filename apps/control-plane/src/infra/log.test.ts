import { QueryFailedError } from 'typeorm';
import { describe, expect, it } from 'vitest';
import { describeError } from './log.ts';

describe('how an error is logged', () => {
  it('says what failed and where, without the values that were on their way to the database', () => {
    const cause = Object.assign(new Error('duplicate key value violates unique constraint'), {
      code: '23505',
      constraint: 'join_token_secret_hash_key',
      detail: 'Key (secret_hash)=(hunter2) already exists.',
    });
    const error = new QueryFailedError('insert into join_token values ($1)', ['hunter2', Buffer.alloc(100_000)], cause);
    const logged = describeError(error);
    expect(logged).toMatchObject({
      type: 'QueryFailedError',
      message: 'duplicate key value violates unique constraint',
      code: '23505',
      constraint: 'join_token_secret_hash_key',
    });
    expect(logged.stack).toContain('log.test.ts');
    expect(JSON.stringify(logged)).not.toContain('hunter2');
    expect(JSON.stringify(logged).length).toBeLessThan(5_000);
  });

  it('takes whatever was thrown', () => {
    expect(describeError('a word')).toEqual({ type: 'string', message: 'a word' });
    expect(describeError(undefined)).toEqual({ type: 'undefined', message: 'undefined' });
  });
});
