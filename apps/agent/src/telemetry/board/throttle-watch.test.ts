import { describe, expect, it } from 'vitest';
import { OVER_AFTER_MS, ThrottleWatch } from './throttle-watch.ts';

const well = { throttled: [], temperatureC: 61 };
const weak = { throttled: ['under-voltage' as const] };

describe('a throttle watch', () => {
  it('tells when it begins, with the temperature and that of the profile, and not again while it lasts', () => {
    const watch = new ThrottleWatch(80);
    expect(watch.look(well, 0)).toBeNull();
    expect(watch.look({ throttled: ['throttled'], temperatureC: 82.44 }, 10_000)).toEqual({
      level: 'warning',
      code: 'throttled',
      message:
        'The board slows itself down: its firmware has lowered the clock (throttled). It is at 82.4 °C; such boards slow down from 80 °C.',
    });
    expect(watch.look({ throttled: ['throttled'], temperatureC: 84 }, 20_000)).toBeNull();
  });

  it('tells another cause that comes, too', () => {
    const watch = new ThrottleWatch(undefined);
    watch.look(weak, 0);
    expect(watch.look({ throttled: ['under-voltage', 'thermal'] }, 10_000)?.message).toBe(
      'The board slows itself down: its supply gives too little voltage (under-voltage); the kernel holds it back for its temperature (thermal).',
    );
    expect(watch.look(weak, 20_000)).toBeNull();
  });

  it('tells that it is over once it has been for a minute, and for how long it was', () => {
    const watch = new ThrottleWatch(undefined);
    watch.look(weak, 1_000);
    watch.look(weak, 43_000);
    expect(watch.look(well, 53_000)).toBeNull();
    expect(watch.look(well, 43_000 + OVER_AFTER_MS - 1)).toBeNull();
    expect(watch.look(well, 43_000 + OVER_AFTER_MS)).toEqual({
      level: 'info',
      code: 'throttling-ended',
      message: 'The board does not slow itself down any more; it did for 42 s. It is at 61.0 °C.',
    });
    expect(watch.look(well, 200_000)).toBeNull();
    expect(watch.look(weak, 210_000)).not.toBeNull();
  });

  it('takes a supply that comes and goes for one time', () => {
    const watch = new ThrottleWatch(undefined);
    const told = Array.from({ length: 30 }, (_, i) => watch.look(i % 2 === 0 ? weak : well, i * 10_000));
    expect(told.filter((news) => news !== null)).toHaveLength(1);
  });

  it('says nothing of a board that does not tell', () => {
    const watch = new ThrottleWatch(80);
    watch.look(weak, 0);
    expect(watch.look({ temperatureC: 99 }, 10 * OVER_AFTER_MS)).toBeNull();
    expect(new ThrottleWatch(80).look({ temperatureC: 99 }, 0)).toBeNull();
  });
});
