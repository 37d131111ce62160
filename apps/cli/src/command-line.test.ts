import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RolloutDetail } from '@aviary/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { rolloutDetail } from './testing/rollout-answer.ts';

// Runs the built command: npx tsc -b apps/cli
const AVIARY = fileURLToPath(new URL('../bin/aviary.js', import.meta.url));
const ID = '6f1c2a34-0000-4000-8000-000000000001';

let home: string;
let server: Server;
let address: string;
let rolloutState: RolloutDetail['state'] = 'FINISHED';
let roundState = 'COMMITTED';
const heard: { method: string; url: string; authorization: string | undefined; body: string }[] = [];

const device = {
  id: 'd-1',
  name: 'camera',
  profile: 'rpi5',
  labels: { site: 'lyon' },
  presence: 'online',
  lastSeenAt: null,
  running: null,
  assigned: null,
  revokedAt: null,
};

const rollout = () => rolloutDetail({ id: ID, state: rolloutState });

const round = () => ({
  id: ID,
  release: 'meter-reader@1.1.0',
  target: 'all',
  state: roundState,
  reason: null,
  createdAt: 0,
  deadlineAt: null,
  endedAt: null,
  goal: 4,
  selected: 0,
  updates: 0,
  refused: 0,
  candidate: null,
  spec: { release: 'meter-reader@1.1.0' },
  backbone: 'a'.repeat(64),
  participants: [],
  aggregate: null,
  evaluation: null,
  history: [],
});

const PROBLEM = {
  type: 'about:blank',
  title: 'The rollout cannot be created',
  status: 400,
  code: 'rollout-spec-invalid',
  detail: 'The rollout cannot be created.',
  problems: [
    { path: 'release', message: 'expected model@version' },
    { path: 'target', message: 'expected a selector' },
  ],
};

const answer = (request: IncomingMessage, response: ServerResponse, body: string): void => {
  const url = request.url ?? '';
  const method = request.method ?? '';
  heard.push({ method, url, authorization: request.headers.authorization, body });
  const send = (status: number, content: unknown, type = 'application/json') => {
    response.writeHead(status, { 'content-type': type }).end(JSON.stringify(content));
  };
  if (url.startsWith('/api/v1/devices')) send(200, { items: [device], nextCursor: null });
  else if (url === '/api/v1/join-tokens') send(201, { token: 'aviary-join.word', expiresAt: 0 });
  else if (url === `/api/v1/rollouts/${ID}`) send(200, rollout());
  else if (url === '/api/v1/rollouts') send(400, PROBLEM, 'application/problem+json');
  else if (url === `/api/v1/rounds/${ID}`) send(200, round());
  else if (url === `/api/v1/rounds/${ID}/actions/abandon`)
    send(200, { ...round(), state: 'ABANDONED', reason: 'told to' });
  else if (url === '/api/v1/rounds') send(201, round());
  else if (url === '/api/v1/rounds/preview') {
    send(200, { devices: 6, eligible: 4, samples: 260, words: ['2 have too few labelled samples'] });
  } else if (url === '/api/v1/trust') send(200, { roles: 'none' });
  else
    send(
      404,
      { ...PROBLEM, status: 404, detail: 'There is no such thing.', problems: undefined },
      'application/problem+json',
    );
};

const aviary = (
  args: string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    const env = { PATH: process.env.PATH, HOME: home, AVIARY_SERVER: address, AVIARY_TOKEN: 'secret', ...environment };
    const child = execFile(process.execPath, [AVIARY, ...args], { env, cwd: home }, (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
    child.stdin?.end();
  });

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'aviary-cli-'));
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => answer(request, response, body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.close();
  await rm(home, { recursive: true, force: true });
});

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
  const cached = () => readdir(join(home, '.cache', 'aviary', 'compiled'), { recursive: true });

  it('leaves what it has compiled to the next one, in a folder of the user', async () => {
    await rm(join(home, '.cache'), { recursive: true, force: true });
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
    await writeFile(join(home, 'admin.token'), 'from-file\n');
    await aviary(['device', 'list'], { AVIARY_TOKEN: undefined, AVIARY_DATA: home });
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
    expect(JSON.parse(json?.stdout ?? '')).toEqual([device]);
    expect(parse(yaml?.stdout ?? '')).toEqual([device]);
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
    rolloutState = state;
    expect((await aviary(['rollout', 'status', ID, '--watch'])).code).toBe(code);
  });

  it('ends with 2, and looks at nothing, when the command line is wrong', async () => {
    const before = heard.length;
    const { code, stdout, stderr } = await aviary(['rollout', 'status', ID, '--watch', '--timeout', 'soon']);
    expect([code, stdout, heard.length]).toEqual([2, '', before]);
    expect(stderr).toContain('Expected a whole number of seconds');
  });

  it('ends with 124 when it takes too long', async () => {
    rolloutState = 'RUNNING';
    expect((await aviary(['rollout', 'status', ID, '--watch', '--timeout', '1'])).code).toBe(124);
  });
});

describe('fed', () => {
  it.each([
    ['COMMITTED', 0],
    ['ABANDONED', 1],
  ])('status --watch ends with its code when the round is %s', async (state, code) => {
    roundState = state;
    const watched = await aviary(['fed', 'status', ID, '--watch']);
    expect(watched).toMatchObject({ code, stderr: '', stdout: expect.stringContaining(state) });
  });

  it('status --watch ends with 124 when it takes too long', async () => {
    roundState = 'COLLECTING';
    expect((await aviary(['fed', 'status', ID, '--watch', '--timeout', '1'])).code).toBe(124);
  });

  it('create asks for what the file says, and the flags over it', async () => {
    const file = join(home, 'round.yaml');
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

describe('key init', () => {
  const init = (...args: string[]) => aviary(['key', 'init', '--no-passphrase', ...args]);

  it('makes keys that only their owner can read, and never overwrites them', async () => {
    const path = join(home, 'publisher.key');
    expect((await init('--no-found', '--key', path)).code).toBe(0);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const before = await readFile(path, 'utf8');
    expect((await init('--no-found', '--key', path)).code).toBe(2);
    expect(await readFile(path, 'utf8')).toBe(before);
  });

  it('protects it with the passphrase from the environment', async () => {
    const path = join(home, 'protected', 'publisher.key');
    const args = ['key', 'init', '--no-found', '--key', path];
    expect((await aviary(args, { AVIARY_KEY_PASSPHRASE: 'correct horse' })).code).toBe(0);
    for (const name of ['publisher.key', 'root.key']) {
      expect(await readFile(join(home, 'protected', name), 'utf8')).toContain('ENCRYPTED PRIVATE KEY');
    }
  });

  it('keeps keys with which nothing could be founded yet, and says how to do it later', async () => {
    const path = join(home, 'offline', 'publisher.key');
    const args = ['key', 'init', '--no-passphrase', '--key', path, '--server', 'http://127.0.0.1:1'];
    const { code, stderr } = await aviary(args);
    expect(code).toBe(0);
    expect(stderr).toContain(`aviary root init --key ${path}`);
    expect((await stat(path)).isFile()).toBe(true);
  });
});

describe('demo', () => {
  it('leaves a folder alone that is not of a demo', async () => {
    const folder = join(home, 'mine');
    await mkdir(join(folder, 'demo'), { recursive: true });
    await writeFile(join(folder, 'demo', 'thesis.txt'), 'years of work');
    const { code, stdout, stderr } = await aviary(['demo', '--once', '--data', folder]);
    expect(code).toBe(1);
    expect(stderr).toContain('Choose another with --data');
    expect(JSON.parse(stdout)).toMatchObject({ demo: 'aviary', ok: false });
    expect(await readFile(join(folder, 'demo', 'thesis.txt'), 'utf8')).toBe('years of work');
  });
});
