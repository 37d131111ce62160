import { z } from 'zod';
import { parseDuration } from './duration.ts';
import { shown } from './spec-problem.ts';

/** Nothing in a rollout takes longer; it also keeps every time within what a database can store. */
const LONGEST_S = 366 * 86_400;

/** A number or a text that `read` understands; whatever else came is answered with what was expected. */
const scalar = <T>(expected: string, read: (value: string | number) => T | undefined) =>
  z.union([z.string(), z.number()], { error: `expected ${expected}` }).transform((value, context) => {
    const result = read(typeof value === 'string' ? value.trim() : value);
    if (result !== undefined) return result;
    context.addIssue({ code: 'custom', message: `expected ${expected}, got ${shown(value)}` });
    return z.NEVER;
  });

/** Seconds, of a number or a text such as `30m`. */
export const duration = scalar('a duration such as 30s, 10m, 2h or 1d, at most 366d', (value) => {
  const seconds = typeof value === 'number' ? value : parseDuration(value);
  return seconds !== undefined && seconds >= 0 && seconds <= LONGEST_S ? seconds : undefined;
}).describe('seconds, or a duration such as 30m');

/** More than no time at all. @param why what it is needed for */
export const positiveDuration = (why: string) =>
  duration.refine((seconds) => seconds > 0, `expected more than 0: ${why}`);

/** The number next to 0.007, as 7 of 1000 is, and not 0.7 / 100, which is a little less. */
const shareOfPercent = (percent: number): number => Number((percent / 100).toPrecision(12));

const percentOf = (text: string): number | undefined => {
  const [, percent] = /^(\d+(?:\.\d+)?)\s*%$/.exec(text) ?? [];
  return percent !== undefined && Number(percent) <= 100 ? Number(percent) : undefined;
};

/** 0 to 1, of such a number or a percentage. */
export const share = scalar('a share such as 5% or 0.05', (value) => {
  if (typeof value === 'number') return value >= 0 && value <= 1 ? value : undefined;
  const percent = percentOf(value);
  return percent === undefined ? undefined : shareOfPercent(percent);
}).describe('0 to 1, or a percentage such as 5%');

/** More than 0. */
export const positiveShare = share.refine((value) => value > 0, 'expected more than 0');

/** A part of the fleet: so many devices, or so many of a hundred. */
export type FleetShare = { readonly count: number } | { readonly percent: number };

/** A count, or a percentage above 0. */
export const fleetShare = scalar('a count such as 5, or 10 % written as "10%"', (value): FleetShare | undefined => {
  if (typeof value === 'string' && value.endsWith('%')) {
    const percent = percentOf(value);
    return percent === undefined || percent === 0 ? undefined : { percent };
  }
  if (typeof value === 'string' && !/^\d+$/.test(value)) return undefined;
  const count = Number(value);
  return Number.isSafeInteger(count) && count > 0 ? { count } : undefined;
});
