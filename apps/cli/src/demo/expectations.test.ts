import { describe, expect, it } from 'vitest';
import { Expectations, PARTS } from './expectations.ts';

const story = () => {
  const told: string[] = [];
  const narrator = {
    good: (words: string) => told.push(`+ ${words}`),
    bad: (words: string) => told.push(`- ${words}`),
  };
  return { told, expectations: new Expectations(narrator) };
};

describe('Expectations', () => {
  it('are met when every part happened', () => {
    const { expectations } = story();
    for (const part of PARTS) expectations.expect(part, true, 'it did');
    expectations.figure('accuracy', 0.94);
    expect(expectations.summary(61.26)).toEqual({
      demo: 'aviary',
      ok: true,
      seconds: 61.3,
      expectations: Object.fromEntries(PARTS.map((part) => [part, true])),
      figures: { accuracy: 0.94 },
    });
  });

  it.each(PARTS)('are not met without %s, whether it failed or was never reached', (missing) => {
    const reached = story().expectations;
    const unreached = story().expectations;
    for (const part of PARTS) {
      reached.expect(part, part !== missing, 'as seen');
      if (part !== missing) unreached.expect(part, true, 'as seen');
    }
    expect(reached.summary(1)).toMatchObject({ ok: false, expectations: { [missing]: false } });
    expect(unreached.summary(1)).toEqual(reached.summary(1));
  });

  it('are not met when the story broke off, whatever happened before', () => {
    const { expectations } = story();
    for (const part of PARTS) expectations.expect(part, true, 'it did');
    expect(expectations.summary(1, 'a device is gone')).toMatchObject({ ok: false, error: 'a device is gone' });
  });

  it('tells what was seen, and what was wanted instead', () => {
    const { told, expectations } = story();
    expectations.expect('devices-joined', true, '6 of 6 devices are online');
    expectations.expect('devices-joined', false, '5 of 6 devices are online');
    expect(told).toEqual(['+ 6 of 6 devices are online', '- expected devices joined, but: 5 of 6 devices are online']);
  });
});
