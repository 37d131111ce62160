import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Narrator } from './narrator.ts';

const LONG =
  'each device watches the release in its probation, on its own pictures, and goes back by itself when it must';

const told = (tell: (narrator: Narrator) => void): string[] => {
  const out = new PassThrough();
  tell(new Narrator(out, Date.now()));
  return String(out.read() ?? '')
    .trimEnd()
    .split('\n');
};

describe('Narrator', () => {
  it('keeps within 80 columns, and every word', () => {
    const lines = told((narrator) => {
      narrator.chapter('A chapter', LONG);
      narrator.say(LONG);
      narrator.good(LONG);
      narrator.bad(LONG);
      narrator.detail(LONG);
    });
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    const words = lines.join(' ').split(/\s+/);
    for (const word of new Set(LONG.split(' '))) {
      expect(words.filter((other) => other === word)).toHaveLength(
        5 * LONG.split(' ').filter((it) => it === word).length,
      );
    }
  });

  it('aligns what belongs together', () => {
    const [first = '', second = ''] = told((narrator) => narrator.good(LONG));
    expect(first.indexOf('each')).toBe(second.search(/\S/));
    const [said = '', detail = ''] = told((narrator) => {
      narrator.say('wave 1 of 1  ██  passed');
      narrator.detail('0 of 2 failed');
    });
    expect(said).toMatch(/^ +\d+\.\d s {2}wave 1 of 1 {2}██ {2}passed$/);
    expect(detail.indexOf('·')).toBe(said.indexOf('wave') + 2);
  });

  it('keeps the lines of what a program said, below each other', () => {
    const [first = '', second = ''] = told((narrator) => narrator.bad('its last words:\nport 8080 is in use'));
    expect(second).toBe(`${' '.repeat(first.indexOf('its'))}port 8080 is in use`);
  });

  it('leaves a word whole that is longer than a line', () => {
    const path = `/srv/${'a'.repeat(90)}`;
    expect(told((narrator) => narrator.say(`see ${path}`)).join('\n')).toContain(path);
  });
});
