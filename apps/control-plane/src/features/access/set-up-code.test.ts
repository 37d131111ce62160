import { expect, it } from 'vitest';
import { isSetUpCode, setUpAddress, setUpCode } from './set-up-code.ts';

it('is four groups of four that are easy to read out, the same as long as the admin token is', () => {
  const code = setUpCode('a token');
  expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$/);
  expect(setUpCode('a token')).toBe(code);
  expect(setUpCode('another token')).not.toBe(code);
  expect(setUpAddress('https://fleet.example', 'a token')).toBe(`https://fleet.example/setup#code=${code}`);
});

it('uses every letter', () => {
  const letters = new Set(Array.from({ length: 200 }, (_, index) => setUpCode(`token ${index}`)).join(''));
  expect([...letters].filter((letter) => letter !== '-')).toHaveLength(32);
});

it.each([
  ['as shown', (code: string) => code, true],
  ['in small letters, without dashes', (code: string) => code.toLowerCase().replaceAll('-', ''), true],
  ['with a letter wrong', (code: string) => (code.startsWith('2') ? '3' : '2') + code.slice(1), false],
  ['cut', (code: string) => code.slice(0, -1), false],
  ['with more behind it', (code: string) => `${code}0`, false],
  ['empty', () => '', false],
])('%s', (_, change, is) => {
  expect(isSetUpCode(change(setUpCode('a token')), 'a token')).toBe(is);
});
