import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SELECTOR_ATTRIBUTES, type Selector, type SelectorComparison, type SelectorKey } from './selector.ts';
import { parseSelector } from './selector-parser.ts';
import { SelectorError } from './selector-token.ts';

const is = (key: SelectorKey, ...values: string[]): Selector => ({ kind: 'in', key, values });
const not = (operand: Selector): Selector => ({ kind: 'not', operand });
const compare = (fact: string, comparison: SelectorComparison, value: number): Selector => ({
  kind: 'compare',
  fact,
  comparison,
  value,
});
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
    ['fact.arch = arm64', is({ fact: 'arch' }, 'arm64')],
    ['fact.os = "Debian GNU/Linux 12"', is({ fact: 'os' }, 'Debian GNU/Linux 12')],
    ['fact.memoryMB >= 4000', compare('memoryMB', '>=', 4000)],
    ['fact.memoryMB>4000', compare('memoryMB', '>', 4000)],
    ['fact.cpu.cores<4', compare('cpu.cores', '<', 4)],
    ['fact.cpu.cores <= 4.5', compare('cpu.cores', '<=', 4.5)],
    ['not fact.memoryMB < 4000', not(compare('memoryMB', '<', 4000))],
    ['fact.cpu.cores in (4, 06.0)', is({ fact: 'cpu.cores' }, '4', '6')],
    ['fact.simulated != true', not(is({ fact: 'simulated' }, 'true'))],
    ['has fact.l4t', { kind: 'has', key: { fact: 'l4t' } }],
    ['accelerators.kind = npu', is({ label: 'accelerators.kind' }, 'npu')],
    ['label.fact.memory = x', is({ label: 'fact.memory' }, 'x')],
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
    ['', 0, /expected the name of an attribute, a fact or a label, found the end at character 1/],
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
    ['site=lyon and', 13, /expected the name of an attribute, a fact or a label, found the end/],
    ['and=1', 0, /expected the name of an attribute, a fact or a label, found "and=1"/],
    ['has', 3, /expected the name of an attribute, a fact or a label, found the end/],
    ['"site"=lyon', 0, /expected the name of an attribute, a fact or a label/],
    ['site="lyon', 5, /expected a name, a value in quotes, or one of = != < <= > >= \( \) ,, found ""lyon"/],
    ['site == lyon', 6, /expected a value, found "="/],
    ['site=lyon; drop', 9, /expected a name.*found ";"/],
    [
      'profile > rpi4',
      8,
      /expected =, !=, "in" or "not in" \(profile is no number, and only numbers have an order\), found ">"/,
    ],
    ['floor>=3', 5, /\(floor is a label, and only numbers have an order\), found ">=3" at character 6/],
    ['memoryMB > 4000', 9, /\(memoryMB is a label, other than fact\.memoryMB, and only numbers have an order\)/],
    ['fact.os < 12', 8, /\(fact\.os is no number/],
    ['fact.memoryMB >= 4GB', 17, /expected a number for fact\.memoryMB, found "4GB" at character 18/],
    ['fact.memoryMB = lots', 16, /expected a number for fact\.memoryMB, found "lots"/],
    ['fact.memoryMB in (1, x)', 21, /expected a number for fact\.memoryMB, found "x\)"/],
    [`fact.memoryMB > ${'9'.repeat(400)}`, 16, /expected a number for fact\.memoryMB/],
    ['fact.memoryMB >', 15, /expected a value, found the end/],
    ['fact.memoryMB', 13, /expected =, !=, <, <=, >, >=, "in" or "not in", found the end/],
    ['fact.arch = amd64', 12, /expected one of x64, arm64, arm for fact\.arch, found "amd64"/],
    ['fact.simulated = yes', 17, /expected one of true, false for fact\.simulated, found "yes"/],
    ['fact.memoryMb > 1', 0, /expected "fact\.memoryMB" \(or "label\.fact\.memoryMb", if a label is called so\)/],
    ['fact.memory > 1', 0, /expected after "fact\." one of agentVersion, .*memoryMB/],
    ['has fact.cpu', 4, /expected one of fact\.cpu\.model, fact\.cpu\.cores/],
    ['fact. = x', 0, /expected after "fact\." one of/],
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
      '>=',
      'a',
      'fact.memoryMB',
      '12',
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
