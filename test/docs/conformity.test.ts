import { readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const ROOT = new URL('../../', import.meta.url);
const text = readFileSync(new URL('docs/conformity.md', ROOT), 'utf8');

const range = (first: string, last: string): string[] =>
  Array.from({ length: last.charCodeAt(0) - first.charCodeAt(0) + 1 }, (_, index) =>
    String.fromCharCode(first.charCodeAt(0) + index),
  );

/** What the sources ask for, by their own ids. */
const REQUIREMENTS = [
  'I (1)',
  ...range('a', 'm').map((letter) => `I (2)(${letter})`),
  ...range('1', '8').map((number) => `II (${number})`),
  ...Array.from({ length: 13 }, (_, index) => `5.${index + 1}`),
  '6',
  'Device Identification',
  'Device Configuration',
  'Data Protection',
  'Logical Access to Interfaces',
  'Software Update',
  'Cybersecurity State Awareness',
];

/** The cells of each row that is no heading. */
const rows = text
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| id |') && !line.startsWith('| capability |'))
  .map((line) => line.slice(2, -2).split(' | '));

describe('docs/conformity.md', () => {
  it('has one row for each requirement, in their order, with a verdict', () => {
    expect(rows.map(([id]) => id)).toEqual(REQUIREMENTS);
    for (const [id, , verdict] of rows) expect(['met', 'partly', 'theirs', 'missing'], id).toContain(verdict);
  });

  it('points to files that are there', () => {
    // Under a path is what looks like one: with a slash and an ending, or a file at the top.
    const named = [...text.matchAll(/`((?:[\w.-]+\/)*[\w.-]+\.(?:md|ts|json)|LICENSE|\.npmrc)`/g)].map(
      ([, path]) => path ?? '',
    );
    expect(new Set(named).size).toBeGreaterThan(40);
    const missing = named.filter((path) => statSync(new URL(path, ROOT), { throwIfNoEntry: false })?.isFile() !== true);
    expect(missing).toEqual([]);
  });

  it('shows something for each claim that is met', () => {
    for (const [id, , verdict, , shown] of rows) if (verdict === 'met') expect(shown, id).toMatch(/`/);
  });
});
