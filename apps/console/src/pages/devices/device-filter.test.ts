import { matchesSelector, parseSelector } from '@aviary/rollout';
import { describe, expect, it } from 'vitest';
import { labelCondition, NO_PROFILE, readDeviceFilter, selectorOf, selectorProblem } from './device-filter.ts';

const device = (profile: string | null, presence: string, labels: Record<string, string>) => ({
  attributes: { id: 'd-1', name: 'd', profile, presence, release: null, model: null },
  labels,
});

/** Whether the selector of a filter, read by the parser of the control plane, means a device. */
const means = (filter: Parameters<typeof selectorOf>[0], of: ReturnType<typeof device>): boolean => {
  const selector = selectorOf(filter);
  return selector === undefined || matchesSelector(parseSelector(selector), of);
};

describe('selectorOf', () => {
  it('asks for every device when nothing is filtered', () => {
    expect(selectorOf({})).toBeUndefined();
  });

  it('keeps what stands around a selector with “or” around all of it', () => {
    const filter = { selector: 'site = lyon or site = metz', presence: 'online' } as const;
    expect(means(filter, device('rpi5', 'online', { site: 'lyon' }))).toBe(true);
    expect(means(filter, device('rpi5', 'offline', { site: 'lyon' }))).toBe(false);
    expect(means(filter, device('rpi5', 'online', { site: 'nice' }))).toBe(false);
  });

  it('takes commas, quotes and parentheses of a person’s selector', () => {
    const filter = { selector: `site="a (b",floor in (1, 2)`, profile: 'rpi5' };
    expect(means(filter, device('rpi5', 'online', { site: 'a (b', floor: '2' }))).toBe(true);
    expect(means(filter, device('rpi4', 'online', { site: 'a (b', floor: '2' }))).toBe(false);
  });

  it('finds devices that no profile fits', () => {
    expect(means({ profile: NO_PROFILE }, device(null, 'online', {}))).toBe(true);
    expect(means({ profile: NO_PROFILE }, device('rpi5', 'online', {}))).toBe(false);
  });

  it.each([
    ['site', 'lyon'],
    ['name', 'a label called like an attribute'],
    ['nam', 'and'],
    ['floor', `the "second"`],
    ['floor', ''],
  ])('a label %s=%s is found by its condition', (key, value) => {
    expect(means({ selector: labelCondition(key, value) }, device(null, 'online', { [key]: value }))).toBe(true);
    expect(means({ selector: labelCondition(key, value) }, device(null, 'online', { [key]: 'other' }))).toBe(false);
  });
});

describe('selectorProblem', () => {
  it.each(['site = lyon) or (site = metz', '(site = lyon', 'site = "lyon', ')('])('%s shows its place', (selector) => {
    const lines = selectorProblem(selector)?.split('\n') ?? [];
    expect(lines[0]).toMatch(/^Expected .* at character \d+:$/);
    expect(lines[1]).toBe(`  ${selector}`);
    expect(lines[2]).toMatch(/^ +\^$/);
  });

  it('finds nothing wrong with what can be read, and with nothing', () => {
    expect(selectorProblem('site = lyon')).toBeUndefined();
    expect(selectorProblem(undefined)).toBeUndefined();
  });
});

describe('readDeviceFilter', () => {
  it('leaves out what is empty, unknown, or no text', () => {
    expect(readDeviceFilter({ selector: '  ', presence: 'sometimes', profile: ['x'], other: 'y' })).toEqual({});
  });

  it('takes what a router reads as a number for the text that it was', () => {
    expect(readDeviceFilter({ selector: 5, presence: 'offline', after: 'd-9' })).toEqual({
      selector: '5',
      presence: 'offline',
      after: 'd-9',
    });
  });
});
