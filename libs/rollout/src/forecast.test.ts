import { describe, expect, it } from 'vitest';
import { type Forecast, forecast } from './forecast.ts';
import { parseRolloutSpec } from './spec/rollout-spec.ts';
import { planControl, planWaves } from './wave-plan.ts';

const NOON = Date.UTC(2026, 0, 15, 12);
const HOUR = 3_600;
const waves = [
  { size: '10%', soak: '10m' },
  { size: '100%', soak: '5m' },
];

const of = (strategy: object, rest: object = {}, zones: Record<string, number> = { '': 100 }): Forecast => {
  const spec = parseRolloutSpec({
    release: 'meter@1.0.0',
    gates: [],
    strategy: { waves, probation: { seconds: 60, minFrames: 0 }, ...strategy },
    ...rest,
  });
  const strata = { rpi5: Object.values(zones).reduce((sum, count) => sum + count, 0) };
  const control = planControl(spec.strategy.control, strata);
  return forecast({ spec, waves: planWaves(spec.strategy.waves, strata, control), control, zones, now: NOON });
};
const ends = ({ waves: passed }: Forecast) => passed.map(({ seconds }) => seconds);

describe('forecast', () => {
  it('is what probation and soaks take, where nothing holds devices back', () => {
    const { seconds, waves: passed, leavesOut } = of({});
    expect({ seconds, passed: passed.map(({ seconds: end }) => end) }).toEqual({ seconds: 1020, passed: [660, 1020] });
    expect(leavesOut).toEqual(['downloads and installs', 'devices that are silent or fail']);
  });

  it('is longer where devices run the release in shadow, unless frames end that', () => {
    expect(ends(of({ shadow: { seconds: 30 } }))).toEqual([690, 1080]);
    const { waves: passed, leavesOut } = of({ shadow: { seconds: 30, frames: 100 } });
    expect(passed.map(({ seconds }) => seconds)).toEqual([660, 1020]);
    expect(leavesOut).toContain('the 100 frames that it sees in shadow');
  });

  it('waits for the rate: at first a sixth of a minute of it at once, then as it refills', () => {
    // 10 of 60 per minute at once; the bucket is full again when the second wave begins: 10 of 90, then one each second.
    expect(ends(of({ rate: { perMinute: 60 } }))).toEqual([660, 660 + 80 + 60 + 300]);
  });

  it('is faster where successes raise the rate, and only from when they come', () => {
    const slow = of({ rate: { perMinute: 6 } });
    const fast = of({ rate: { perMinute: 6, increase: 2, every: 10 } });
    expect(fast.seconds).toBeLessThan(slow.seconds ?? 0);
    const late = of({
      rate: { perMinute: 6, increase: 2, every: 10 },
      probation: { seconds: 2 * HOUR, minFrames: 0 },
      waves: [{ size: '100%', soak: 0 }],
    });
    // All are told before the first has succeeded.
    expect(late.seconds).toBe(99 * 10 + 2 * HOUR);
  });

  it('waits for the window, in the zone of each device', () => {
    const window = { cron: '0 2 * * *', duration: '3h' };
    expect(ends(of({ window }))).toEqual([14 * HOUR + 660, 14 * HOUR + 1020]);
    // 21:00 in Tokyo. The first wave has one from there, and one from where it is noon.
    const two = of(
      {
        window,
        waves: [
          { size: 2, soak: 0 },
          { size: '100%', soak: 0 },
        ],
      },
      {},
      { '': 5, 'Asia/Tokyo': 5 },
    );
    expect(ends(two)).toEqual([14 * HOUR + 60, 29 * HOUR + 60]);
    expect(of({ window: { ...window, zone: 'Asia/Tokyo' } }).seconds).toBe(5 * HOUR + 1020);
  });

  it('goes on in the next window where the rate has not told all in the first', () => {
    const night = of({
      window: { cron: '0 2 * * *', duration: '30m' },
      rate: { perMinute: 1 },
      waves: [{ size: '100%', soak: 0 }],
    });
    // One at once and 29 in the rest of each night, and one that was saved up meanwhile: 30 in each of three, then ten.
    expect(night.seconds).toBe(14 * HOUR + 3 * 24 * HOUR + 9 * 60 + 60);
  });

  it('waits for a comparison to be measured, where a wave can tell, however short the soak that was asked for', () => {
    const gates = [{ latencyP95: { versus: 'control', margin: '15%' } }];
    const compared = of({ control: 10, compareOver: '30m' }, { gates });
    expect(ends(compared)[0]).toBe(60 + 30 * 60 + 270);
    const few = of({ control: 2, compareOver: '30m' }, { gates });
    expect(ends(few)[0]).toBe(660);
    expect(few.leavesOut).toContain('a person who promotes wave 1, which can never tell');
  });

  it('names newcomers that are taken without end', () => {
    const words = 'newcomers, which it takes until somebody ends it';
    expect(of({}, { newcomers: 'continue' }).leavesOut).toContain(words);
    expect(of({}).leavesOut).not.toContain(words);
  });

  it('has no probation where the release is only fetched, and names consent where that is asked for', () => {
    const fetched = of({ mode: 'download-only', probation: undefined });
    expect(ends(fetched)).toEqual([600, 900]);
    expect(fetched.leavesOut).toEqual(['downloads', 'devices that are silent or fail']);
    expect(of({ mode: 'soft' }).leavesOut).toContain('the consent of applications on the boards');
  });

  it('names the approval and the frames that it cannot know', () => {
    expect(of({ probation: {} }, { approval: 'required' }).leavesOut).toEqual(
      expect.arrayContaining(['the 100 frames that probation waits for', 'the approval by a second person']),
    );
  });

  it('says that it does not know, of more than a year and of windows without number', () => {
    expect(of({ rate: { perMinute: 1e-9 } }).seconds).toBeNull();
    const flicker = { cron: '* * * * *', duration: '1s' };
    expect(of({ rate: { perMinute: 0.001 }, window: flicker }).seconds).toBeNull();
  });
});
