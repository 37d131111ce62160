import { describe, expect, it } from 'vitest';
import { adminRoutes } from './admin-api/admin-routes.ts';
import { deviceRoutes } from './device-api.ts';
import { deviceIdSchema, labelsSchema, releaseNameSchema } from './identifiers.ts';

describe('identifiers', () => {
  it.each([
    ['abc', true],
    ['d-1a2b3c', true],
    ['a'.repeat(63), true],
    ['ab', false],
    ['a'.repeat(64), false],
    ['-abc', false],
    ['a.b', false],
    ['ABC', false],
    ['abc\n', false],
  ])('device id %j: %s', (id, valid) => {
    expect(deviceIdSchema.safeParse(id).success).toBe(valid);
  });

  it.each([
    ['meter-reader@1.4.0', true],
    ['m@0.0.1-rc.1+build.5', true],
    ['meter.v2@10.20.30', true],
    ['Meter@1.0.0', false],
    ['meter@1.0', false],
    ['meter@1.0.0/../x', false],
    ['meter@1.0.0 ', false],
    ['@1.0.0', false],
    ['meter@v1.0.0', false],
  ])('release name %j: %s', (name, valid) => {
    expect(releaseNameSchema.safeParse(name).success).toBe(valid);
  });
});

describe('labels', () => {
  const change = adminRoutes.labelDevice.body;

  it.each(['site', 'a.b_c-1', `a${'b'.repeat(62)}`])('may be called %j', (key) => {
    expect(labelsSchema.safeParse({ [key]: 'x' }).success).toBe(true);
    expect(change?.safeParse({ labels: { [key]: 'x' } }).success).toBe(true);
  });

  it.each(['Site', '', '1a', 'a b', 'a=b', 'ä', `a${'b'.repeat(63)}`])(
    'may not be set under %j: whoever reads the device again would refuse it',
    (key) => {
      expect(labelsSchema.safeParse({ [key]: 'x' }).success).toBe(false);
      expect(change?.safeParse({ labels: { [key]: 'x' } }).success).toBe(false);
    },
  );

  it('have values of at most 128 printable characters, and null only to remove one', () => {
    for (const value of ['', 'Saint-Étienne 7', 'x'.repeat(128)]) {
      expect(change?.safeParse({ labels: { site: value } }).success).toBe(true);
    }
    for (const value of ['x'.repeat(129), 'a\u0000b', 'a\u001b[2Jb', 'a\nb', 7]) {
      expect(change?.safeParse({ labels: { site: value } }).success).toBe(false);
    }
    expect(change?.safeParse({ labels: { site: null } }).success).toBe(true);
    expect(labelsSchema.safeParse({ site: null }).success).toBe(false);
  });

  it('and names are checked alike when a device joins and when it is renamed', () => {
    const joins = (name: string) =>
      deviceRoutes.enroll.body?.safeParse({ name }).error?.issues.some(({ path }) => path[0] === 'name') === false;
    for (const name of ['kitchen cam', 'é'.repeat(128)]) {
      expect([joins(name), change?.safeParse({ name }).success]).toEqual([true, true]);
    }
    for (const name of ['', 'x'.repeat(129), 'a\u0000', '\u001b]0;x']) {
      expect([joins(name), change?.safeParse({ name }).success]).toEqual([false, false]);
    }
  });
});
