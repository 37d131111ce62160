import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  matchesSelector,
  parseSelector,
  SELECTOR_ATTRIBUTES,
  type SelectableDevice,
  type Selector,
  SelectorError,
  type SelectorKey,
} from './selector.ts';

const is = (key: SelectorKey, ...values: string[]): Selector => ({ kind: 'in', key, values });
const not = (operand: Selector): Selector => ({ kind: 'not', operand });
const profile = { attribute: 'profile' } as const;
const site = { label: 'site' } as const;

const errorOf = (text: string): SelectorError => {
  try {
    parseSelector(text);
  } catch (error) {
    if (error instanceof SelectorError) return error;
    throw error;
  }
  throw new Error(`expected "${text}" to be refused`);
};

describe('parseSelector', () => {
  it.each<[string, Selector]>([
    ['all', { kind: 'all' }],
    ['site=lyon', is(site, 'lyon')],
    ['site != lyon', not(is(site, 'lyon'))],
    ['profile in (rpi4, rpi5)', is(profile, 'rpi4', 'rpi5')],
    ['profile not in (rpi4)', not(is(profile, 'rpi4'))],
    ['has floor', { kind: 'has', key: { label: 'floor' } }],
    ['not has presence', not({ kind: 'has', key: { attribute: 'presence' } })],
    ['not not all', not(not({ kind: 'all' }))],
    ['label.profile = x', is({ label: 'profile' }, 'x')],
    ['release = meter-reader@1.4.0', is({ attribute: 'release' }, 'meter-reader@1.4.0')],
    ['site = "Saint Denis"', is(site, 'Saint Denis')],
    [`site = 'a "b" c'`, is(site, 'a "b" c')],
    ['site = ""', is(site, '')],
    ['site = in', is(site, 'in')],
    ['network = 10.0.0.0/8', is({ label: 'network' }, '10.0.0.0/8')],
    ['\n site\t=\n lyon ', is(site, 'lyon')],
  ])('reads %j', (text, selector) => {
    expect(parseSelector(text)).toEqual(selector);
  });

  it('takes a comma between comparisons for "and"', () => {
    expect(parseSelector('site=lyon,profile=rpi5')).toEqual(parseSelector('site=lyon and profile=rpi5'));
  });

  it('binds not before and, and before or', () => {
    expect(parseSelector('not a=1 and b=2 or c=3')).toEqual(parseSelector('((not (a=1)) and b=2) or c=3'));
    expect(parseSelector('a=1 or b=2 and c=3')).toEqual(parseSelector('a=1 or (b=2 and c=3)'));
    expect(parseSelector('(a=1 or b=2) and c=3')).not.toEqual(parseSelector('a=1 or b=2 and c=3'));
  });

  it.each(SELECTOR_ATTRIBUTES)('knows the attribute %s from a label', (attribute) => {
    expect(parseSelector(`${attribute}=x`)).toEqual(is({ attribute }, 'x'));
    expect(parseSelector(`label.${attribute}=x`)).toEqual(is({ label: attribute }, 'x'));
  });

  it.each<[string, number, RegExp]>([
    ['', 0, /expected the name of an attribute or a label, found the end at character 1/],
    ['profile=', 8, /expected a value, found the end at character 9/],
    ['profile', 7, /expected =, !=, "in" or "not in", found the end/],
    ['profile rpi4', 8, /expected =, !=, "in" or "not in", found "rpi4" at character 9/],
    ['profile not rpi4', 12, /expected =, !=, "in" or "not in", found "rpi4"/],
    ['profile in rpi4', 11, /expected "\(", found "rpi4"/],
    ['profile in ()', 12, /expected a value, found "\)"/],
    ['profile in (rpi4', 16, /expected "\)", found the end/],
    ['profile in (rpi4,)', 17, /expected a value, found "\)"/],
    ['(site=lyon', 10, /expected "\)", found the end/],
    ['site=lyon)', 9, /expected "and", "or", "," or the end, found "\)"/],
    ['site=lyon AND floor=2', 10, /expected "and", "or", "," or the end, found "AND"/],
    ['site=lyon and', 13, /expected the name of an attribute or a label, found the end/],
    ['and=1', 0, /expected the name of an attribute or a label, found "and=1"/],
    ['has', 3, /expected the name of an attribute or a label, found the end/],
    ['"site"=lyon', 0, /expected the name of an attribute or a label/],
    ['site="lyon', 5, /expected a name, a value in quotes, or one of = != \( \) ,, found ""lyon"/],
    ['site == lyon', 6, /expected a value, found "="/],
    ['site=lyon; drop', 9, /expected a name.*found ";"/],
    ['label. = x', 0, /expected the name of a label after "label\."/],
  ])('says where %j is wrong', (text, offset, message) => {
    const error = errorOf(text);
    expect(error.code).toBe('selector-invalid');
    expect(error.offset).toBe(offset);
    expect(error.message).toMatch(message);
  });

  it('points at the place below the text', () => {
    expect(errorOf('profile in rpi4').message.split('\n')).toEqual([
      'expected "(", found "rpi4" at character 12:',
      '  profile in rpi4',
      '             ^',
    ]);
  });

  it.each([
    ['profle=rpi4', 'profile'],
    ['porfile=rpi4', 'profile'],
    ['profiles=rpi4', 'profile'],
    ['presense=online', 'presence'],
    ['relaese=a@1.0.0', 'release'],
  ])('takes %j for a slip of the pen, and says how to mean a label', (text, meant) => {
    const typed = text.slice(0, text.indexOf('='));
    expect(errorOf(text).message).toContain(`expected "${meant}" (or "label.${typed}", if a label is called so)`);
    expect(parseSelector(`label.${text}`)).toMatchObject({ key: { label: typed } });
  });

  it('does not take short names for slips: "it" is a label, not "id"', () => {
    expect(parseSelector('it=x')).toEqual(is({ label: 'it' }, 'x'));
  });

  it.each(['(', 'not ', 'not ('])('refuses %j without end in a sentence, whatever its length', (part) => {
    for (const times of [101, 2_000, 50_000]) expect(errorOf(part.repeat(times)).message).toMatch(/at most 100 of/);
  });

  it('counts what is nested, not what stands side by side', () => {
    const wide = Array.from({ length: 500 }, (_, index) => `(not a=${index})`).join(' and ');
    expect(parseSelector(wide)).toMatchObject({ kind: 'and', operands: { length: 500 } });
    expect(parseSelector(`${'('.repeat(99)}a=1${')'.repeat(99)}`)).toEqual(is({ label: 'a' }, '1'));
  });

  it('answers any text with a selector or a SelectorError inside the text', () => {
    const part = fc.constantFrom(
      'all',
      'not ',
      'has ',
      ' in ',
      '(',
      ')',
      ',',
      '=',
      '!=',
      'a',
      '"x y"',
      "'",
      ' and ',
      'é',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        try {
          parseSelector(text);
        } catch (error) {
          expect(error).toBeInstanceOf(SelectorError);
          expect((error as SelectorError).offset).toBeLessThanOrEqual(text.length);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('matchesSelector', () => {
  const device: SelectableDevice = {
    attributes: { id: 'd-1', profile: 'rpi5', release: null, presence: 'online' },
    labels: { site: 'lyon', floor: '' },
  };

  it.each([
    ['all', true],
    ['site=lyon', true],
    ['site=Lyon', false],
    ['site in (paris, lyon)', true],
    ['site!=paris', true],
    ['building=1', false],
    ['building!=1', true],
    ['building not in (1)', true],
    ['has floor', true],
    ['floor=""', true],
    ['has building', false],
    ['has release', false],
    ['release!=a@1.0.0', true],
    ['model=a', false],
    ['profile=rpi5 and site=paris', false],
    ['profile=rpi5 or site=paris', true],
    ['label.profile=rpi5', false],
    ['has constructor', false],
    ['toString!=x', true],
  ])('%s: %s', (text, expected) => {
    expect(matchesSelector(parseSelector(text), device)).toBe(expected);
  });

  it('follows De Morgan, whatever the device has', () => {
    const value = fc.constantFrom('1', '2', undefined);
    fc.assert(
      fc.property(value, value, (a, b) => {
        const labels = Object.fromEntries(Object.entries({ a, b }).filter((entry) => entry[1] !== undefined));
        const some: SelectableDevice = { attributes: {}, labels: labels as Record<string, string> };
        const holds = (text: string) => matchesSelector(parseSelector(text), some);
        expect(holds('not (a=1 or b=1)')).toBe(holds('a!=1 and b!=1'));
        expect(holds('not (a=1 and b=1)')).toBe(holds('a!=1 or b!=1'));
        expect(holds('a in (1, 2)')).toBe(holds('a=1 or a=2'));
        expect(holds('has a')).toBe(a !== undefined);
      }),
    );
  });
});
