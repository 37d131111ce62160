import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RolloutDetail } from '@aviary/protocol';
import { afterAll, beforeAll } from 'vitest';
import { rolloutDetail } from './rollout-answer.ts';

const AVIARY = fileURLToPath(new URL('../../bin/aviary.js', import.meta.url));

/** Of the one rollout and the one round that there are. */
export const ID = '6f1c2a34-0000-4000-8000-000000000001';

/** The one device. */
export const DEVICE = {
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

const round = (state: string) => ({
  id: ID,
  release: 'meter-reader@1.1.0',
  target: 'all',
  state,
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

interface Heard {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

/** The built command (`npx tsc -b apps/cli`), as a user with a home of their own, and a server that answers it as told. */
export const builtCommand = () => {
  let home: string;
  let server: Server;
  let address: string;
  const states: { rollout: RolloutDetail['state']; round: string } = { rollout: 'FINISHED', round: 'COMMITTED' };
  const heard: Heard[] = [];

  const answer = (request: IncomingMessage, response: ServerResponse, body: string): void => {
    const url = request.url ?? '';
    const method = request.method ?? '';
    heard.push({ method, url, authorization: request.headers.authorization, body });
    const send = (status: number, content: unknown, type = 'application/json') => {
      response.writeHead(status, { 'content-type': type }).end(JSON.stringify(content));
    };
    if (url.startsWith('/api/v1/devices')) send(200, { items: [DEVICE], nextCursor: null });
    else if (url === '/api/v1/join-tokens') send(201, { token: 'aviary-join.word', expiresAt: 0 });
    else if (url === `/api/v1/rollouts/${ID}`) send(200, rolloutDetail({ id: ID, state: states.rollout }));
    else if (url === '/api/v1/rollouts') send(400, PROBLEM, 'application/problem+json');
    else if (url === `/api/v1/rounds/${ID}`) send(200, round(states.round));
    else if (url === `/api/v1/rounds/${ID}/actions/abandon`) send(200, { ...round('ABANDONED'), reason: 'told to' });
    else if (url === '/api/v1/rounds') send(201, round(states.round));
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

  return {
    get home() {
      return home;
    },
    /** What the rollout and the round are in, from now on. */
    states,
    /** What the server was asked. */
    heard: heard as readonly Heard[],

    /** Runs it to its end. */
    aviary: (
      args: string[],
      environment: NodeJS.ProcessEnv = {},
    ): Promise<{ code: number; stdout: string; stderr: string }> =>
      new Promise((resolve) => {
        const env = {
          PATH: process.env.PATH,
          HOME: home,
          AVIARY_SERVER: address,
          AVIARY_TOKEN: 'secret',
          ...environment,
        };
        const child = execFile(process.execPath, [AVIARY, ...args], { env, cwd: home }, (_, stdout, stderr) => {
          resolve({ code: child.exitCode ?? -1, stdout, stderr });
        });
        child.stdin?.end();
      }),
  };
};
