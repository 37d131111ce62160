import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { builtCommand, ID } from './testing/built-command.ts';

const command = builtCommand();
const { aviary, heard, states } = command;

describe('fed', () => {
  it.each([
    ['COMMITTED', 0],
    ['ABANDONED', 1],
  ])('status --watch ends with its code when the round is %s', async (state, code) => {
    states.round = state;
    const watched = await aviary(['fed', 'status', ID, '--watch']);
    expect(watched).toMatchObject({ code, stderr: '', stdout: expect.stringContaining(state) });
  });

  it('status --watch ends with 124 when it takes too long', async () => {
    states.round = 'COLLECTING';
    expect((await aviary(['fed', 'status', ID, '--watch', '--timeout', '1'])).code).toBe(124);
  });

  it('create asks for what the file says, and the flags over it', async () => {
    const file = join(command.home, 'round.yaml');
    await writeFile(file, 'release: meter-reader@1.0.0\ngoal: 9\ncollectFor: 2h\ntraining: { epochs: 3, seed: 7 }\n');
    const flags = ['--release', 'meter-reader@1.1.0', '--selector', 'site=lyon', '--epochs', '4', '--margin', '0.01'];
    const { code, stdout } = await aviary(['fed', 'create', '-f', file, ...flags]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${ID}\n` });
    expect(JSON.parse(heard.at(-1)?.body ?? '')).toMatchObject({
      release: 'meter-reader@1.1.0',
      target: 'site=lyon',
      goal: 9,
      collectFor: 7200,
      margin: 0.01,
      training: { epochs: 4, seed: 7 },
    });
  });

  it('create --dry-run says who could take part, and starts nothing', async () => {
    const { stdout } = await aviary(['fed', 'create', '--release', 'meter-reader@1.1.0', '--dry-run']);
    expect(stdout).toContain('4 of 6 devices could take part, with 260 labelled samples.');
    expect(stdout).toContain('2 have too few labelled samples');
    expect(heard.at(-1)?.url).toBe('/api/v1/rounds/preview');
  });

  it('create says every place that is wrong, and asks for nothing', async () => {
    const before = heard.length;
    const { code, stderr } = await aviary(['fed', 'create', '--release', 'a@1.0.0', '--goal', '0', '--epochs', '0.5']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/goal: .*\n {2}training\.epochs: /);
    expect(heard.length).toBe(before);
  });

  it('abandon says what became of it', async () => {
    expect(await aviary(['fed', 'abandon', ID, '--yes'])).toMatchObject({ stdout: `${ID}  ABANDONED: told to\n` });
  });
});
