import { describe, expect, it } from 'vitest';
import { commandNameOf } from './command-name.ts';
import { UsageError } from './usage-error.ts';

const COMMANDS = [
  { name: 'demo', takesArguments: false },
  { name: 'device list', takesArguments: false },
  { name: 'device label', takesArguments: true },
  { name: 'key list', takesArguments: false },
];
const nameOf = (line: string) => commandNameOf(line.split(' ').filter(Boolean), COMMANDS);
const refusal = (line: string): string => {
  try {
    return `no refusal, but ${nameOf(line)}`;
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
};

describe('commandNameOf', () => {
  it.each([
    ['demo --once', 'demo'],
    ['device list', 'device list'],
    ['device list -l site=lyon', 'device list'],
    ['device:list', 'device list'],
    ['device label d-1 site=lyon list', 'device label'],
    ['device label', 'device label'],
  ])('%s names %s', (line, name) => {
    expect(nameOf(line)).toBe(name);
  });

  it.each(['', 'device', 'device --help', '--help', '--version'])(
    '"%s" names no command, and is no mistake',
    (line) => {
      expect(nameOf(line)).toBeUndefined();
    },
  );

  it('suggests the nearest command', () => {
    expect(refusal('device lsit')).toBe('There is no command "aviary device lsit". Did you mean "aviary device list"?');
    expect(refusal('devcie list')).toContain('Did you mean "aviary device"?');
  });

  it('names all that there are when nothing is near', () => {
    expect(refusal('device nosuch')).toBe(
      'There is no command "aviary device nosuch". After "aviary device" there can be: label, list.',
    );
    expect(refusal('nosuch')).toContain('After "aviary" there can be: demo, device, key.');
  });

  it('does not take the beginning of a word for the word', () => {
    expect(refusal('dev list')).toContain('There is no command "aviary dev"');
  });

  it('says what is too much, and which flags come too early', () => {
    expect(refusal('device list d-1')).toContain('Expected nothing after "aviary device list", got "d-1".');
    expect(refusal('--server http://x device list')).toContain('Expected a command before the flags, got "--server".');
  });
});
