import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RolloutDetail } from '@aviary/protocol';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { builtCommand, DEVICE, ID } from './testing/built-command.ts';

const command = builtCommand();
const { aviary, heard, states } = command;

describe('usage errors', () => {
  it.each([
    [
      'an unknown command',
      ['device', 'nosuch'],
      'device nosuch',
      'approve, enroll-token, explain, history, label, list, pending, preauthorize, profile, reject, revoke, show',
    ],
    ['a slip in a command', ['device', 'lst'], 'device lst', 'Did you mean "aviary device list"?'],
    ['help for an unknown command', ['device', 'lst', '--help'], 'device lst', 'aviary device list'],
    [
      'an unknown flag',
      ['device', 'list', '--bogus'],
      '--bogus',
      '--context, --output, --selector, --server, --token-file',
    ],
    ['a slip in a flag', ['device', 'list', '--selectr', 'all'], '--selectr', 'Did you mean --selector?'],
    ['an output format that there is not', ['device', 'list', '-o', 'xml'], 'xml', 'table, json, yaml'],
    ['a missing argument', ['device', 'show'], 'nothing', 'aviary device show --help'],
    ['an empty argument', ['rollout', 'abort', '', '--yes'], 'empty', 'Expected ID'],
    ['an argument too many', ['device', 'show', 'a', 'b'], '"b"', 'Expected no further argument'],
    ['a duration that is none', ['device', 'enroll-token', '--ttl', '5'], '"5"', 'Expected a duration such as 30m'],
    ['a label without a value', ['device', 'enroll-token', '-l', 'site'], '"site"', 'Expected key=value'],
    ['a time-out that is none', ['rollout', 'status', '--timeout', '1h'], '"1h"', 'whole number of seconds'],
    ['a port that is none', ['up', '--http-port', '80800'], '"80800"', 'from 0 to 65535'],
    ['an address that is none', ['key', 'list', '--server', 'localhost:80'], '"localhost:80"', 'such as http://'],
    [
      'a token file that is not there',
      ['key', 'list', '--token-file', 'no-file'],
      '"no-file"',
      'with a token for --token-file',
    ],
    ['a rollout without a release', ['rollout', 'create'], 'Expected', '--release model@version'],
    ['a rollout file that is not there', ['rollout', 'create', '-f', 'no.yaml'], '"no.yaml"', '--file'],
    ['an undo without a terminal and without --yes', ['rollout', 'undo', ID], 'no terminal', '--yes'],
    ['a round without a release', ['fed', 'create'], 'Expected', '--release model@version'],
    ['a round file that is not there', ['fed', 'create', '-f', 'no.yaml'], '"no.yaml"', '--file'],
    ['a number that is none', ['fed', 'create', '--release', 'a@1.0.0', '--goal', 'four'], '"four"', '--goal'],
    ['a time that is none', ['fed', 'create', '--release', 'a@1.0.0', '--collect-for', '9'], '"9"', 'such as 30m'],
    ['an abandoning without --yes', ['fed', 'abandon', ID], 'no terminal', '--yes'],
    ['a candidate without its folder', ['fed', 'candidate', ID, '--version', '1.2.0', '--out', 'x'], '', '--from'],
    ['a log-in that there is not', ['whoami', '--context', 'lab'], '"lab"', 'aviary login'],
    ['two ways at once', ['whoami', '--context', 'a', '--server', 'http://b'], '--context', 'either'],
    ['a change of nothing', ['user', 'change', 'ada'], 'something to change', '--disable'],
    ['a role that there is not', ['token', 'create', 'x', '--role', 'owner'], 'owner', 'viewer, operator'],
    ['a flag that the demo has not', ['demo', '--onec'], '--onec', 'Did you mean --once?'],
  ])('%s ends with 2 and says what came and what can be', async (_, args, came, expected) => {
    const { code, stdout, stderr } = await aviary(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^aviary: .*\n$/);
    expect(stderr).toContain(came);
    expect(stderr).toContain(expected);
  });
});

describe('help', () => {
  it.each([
    ['device', 'let them join'],
    ['fed', 'no picture leaves them'],
    ['token', 'with which programs come'],
    ['user', 'with which people come'],
    ['key', 'whose keys count'],
    ['root', 'image repository'],
    ['model', 'Releases of models'],
    ['rollout', 'in waves'],
  ])('says what %s is about, and which commands there are', async (topic, words) => {
    const [asked, alone, first] = await Promise.all([
      aviary([topic, '--help']),
      aviary([topic]),
      aviary(['help', topic]),
    ]);
    expect(asked).toMatchObject({ code: 0, stderr: '' });
    expect(asked.stdout.split('\n')[0]).toContain(words);
    expect(asked.stdout).toContain(`${topic} ${topic === 'root' ? 'sign' : 'list'}`);
    expect([alone.stdout, first.stdout]).toEqual([asked.stdout, asked.stdout]);
  });
});

describe('a start', () => {
  const cached = () => readdir(join(command.home, '.cache', 'aviary', 'compiled'), { recursive: true });

  it('leaves what it has compiled to the next one, in a folder of the user', async () => {
    await rm(join(command.home, '.cache'), { recursive: true, force: true });
    expect((await aviary(['--version'])).code).toBe(0);
    const left = await cached();
    expect(left.length).toBeGreaterThan(50);
    expect((await aviary(['--version'])).code).toBe(0);
    expect(await cached()).toEqual(left);
  });

  it('needs no such folder', async () => {
    const given = { XDG_CACHE_HOME: '/dev/null/nothing' };
    expect(await aviary(['--version'], given)).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('the way to the control plane', () => {
  it('says what to do when nobody answers', async () => {
    const { code, stderr } = await aviary(['device', 'list'], { AVIARY_SERVER: 'http://127.0.0.1:1' });
    expect(code).toBe(1);
    expect(stderr).toContain('aviary up');
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('reads the token that aviary up writes', async () => {
    await writeFile(join(command.home, 'admin.token'), 'from-file\n');
    await aviary(['device', 'list'], { AVIARY_TOKEN: undefined, AVIARY_DATA: command.home });
    expect(heard.at(-1)?.authorization).toBe('Bearer from-file');
  });

  it('shows every problem of an answer', async () => {
    const { code, stderr } = await aviary(['rollout', 'create', '--release', 'meter-reader']);
    expect(code).toBe(2);
    expect(stderr).toContain('release: expected model@version');
    expect(stderr).toContain('target: expected a selector');
  });

  it('tells that an answer has an unknown form, and where', async () => {
    const { code, stderr } = await aviary(['key', 'list']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^aviary: .*version/);
    expect(stderr).toContain('roles');
    expect(stderr).not.toMatch(/\n\s+at \S+ \(/);
  });
});

describe('output', () => {
  it('is a table, JSON or YAML of the same', async () => {
    const [table, json, yaml] = await Promise.all(
      ['table', 'json', 'yaml'].map((format) => aviary(['device', 'list', '-o', format])),
    );
    expect(table?.stdout).toMatch(/^ID +NAME +PROFILE/);
    expect(JSON.parse(json?.stdout ?? '')).toEqual([DEVICE]);
    expect(parse(yaml?.stdout ?? '')).toEqual([DEVICE]);
  });

  it('has the token alone on standard output', async () => {
    const { stdout } = await aviary(['device', 'enroll-token', '--ttl', '30m', '-l', 'site=lyon']);
    expect(stdout).toBe('aviary-join.word\n');
    expect(JSON.parse(heard.at(-1)?.body ?? '')).toEqual({ ttlSeconds: 1800, labels: { site: 'lyon' } });
  });
});

describe('rollout status --watch', () => {
  it.each<[RolloutDetail['state'], number]>([
    ['FINISHED', 0],
    ['ROLLED_BACK', 1],
    ['STOPPED', 1],
    ['APPROVAL_DENIED', 1],
    ['PAUSED', 3],
  ])('ends with its code when the rollout is %s', async (state, code) => {
    states.rollout = state;
    expect((await aviary(['rollout', 'status', ID, '--watch'])).code).toBe(code);
  });

  it('ends with 2, and looks at nothing, when the command line is wrong', async () => {
    const before = heard.length;
    const { code, stdout, stderr } = await aviary(['rollout', 'status', ID, '--watch', '--timeout', 'soon']);
    expect([code, stdout, heard.length]).toEqual([2, '', before]);
    expect(stderr).toContain('Expected a whole number of seconds');
  });

  it('ends with 124 when it takes too long', async () => {
    states.rollout = 'RUNNING';
    expect((await aviary(['rollout', 'status', ID, '--watch', '--timeout', '1'])).code).toBe(124);
  });
});

describe('key init', () => {
  const init = (...args: string[]) => aviary(['key', 'init', '--no-passphrase', ...args]);

  it('makes keys that only their owner can read, and never overwrites them', async () => {
    const path = join(command.home, 'publisher.key');
    expect((await init('--no-found', '--key', path)).code).toBe(0);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const before = await readFile(path, 'utf8');
    expect((await init('--no-found', '--key', path)).code).toBe(2);
    expect(await readFile(path, 'utf8')).toBe(before);
  });

  it('protects it with the passphrase from the environment', async () => {
    const path = join(command.home, 'protected', 'publisher.key');
    const args = ['key', 'init', '--no-found', '--key', path];
    expect((await aviary(args, { AVIARY_KEY_PASSPHRASE: 'correct horse' })).code).toBe(0);
    for (const name of ['publisher.key', 'root.key']) {
      expect(await readFile(join(command.home, 'protected', name), 'utf8')).toContain('ENCRYPTED PRIVATE KEY');
    }
  });

  it('keeps keys with which nothing could be founded yet, and says how to do it later', async () => {
    const path = join(command.home, 'offline', 'publisher.key');
    const args = ['key', 'init', '--no-passphrase', '--key', path, '--server', 'http://127.0.0.1:1'];
    const { code, stderr } = await aviary(args);
    expect(code).toBe(0);
    expect(stderr).toContain(`aviary root init --key ${path}`);
    expect((await stat(path)).isFile()).toBe(true);
  });
});

describe('demo', () => {
  it('leaves a folder alone that is not of a demo', async () => {
    const folder = join(command.home, 'mine');
    await mkdir(join(folder, 'demo'), { recursive: true });
    await writeFile(join(folder, 'demo', 'thesis.txt'), 'years of work');
    const { code, stdout, stderr } = await aviary(['demo', '--once', '--data', folder]);
    expect(code).toBe(1);
    expect(stderr).toContain('Choose another with --data');
    expect(JSON.parse(stdout)).toMatchObject({ demo: 'aviary', ok: false });
    expect(await readFile(join(folder, 'demo', 'thesis.txt'), 'utf8')).toBe('years of work');
  });
});
