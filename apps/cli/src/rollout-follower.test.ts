import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { adminRoutes, createClient, type RolloutDetail, type WaveView } from '@aviary/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AdminClient, fetchOrExplain } from './connection.ts';
import { narrateRollout } from './demo/rollout-narration.ts';
import { followRollout } from './rollout-follower.ts';
import { watchRollout } from './rollout-watch.ts';
import { rolloutDetail, waveView } from './testing/rollout-answer.ts';
import type { Screen } from './watch.ts';

const ID = '6f1c2a34-0000-4000-8000-000000000001';
const FAST = { timeoutSeconds: 20, lookMs: 10 };

const PASSED_GATE: WaveView['gates'][number] = {
  gate: 'execution',
  verdict: 'pass',
  words: 'passed: 0 of 2 devices failed',
  estimate: 0,
  bound: 0.05,
  evidence: 2,
  comparison: null,
  at: 0,
};

const wave = (index: number, state: WaveView['state'], counts: WaveView['counts']): WaveView =>
  waveView({
    index,
    state,
    size: 2,
    cumulative: 2 * (index + 1),
    counts,
    gates: state === 'PASSED' ? [PASSED_GATE] : [],
  });

const rollout = (state: RolloutDetail['state'], waves: WaveView[], reason: string | null = null): RolloutDetail =>
  rolloutDetail({ id: ID, state, waves, reason });

const RUNNING = rollout('RUNNING', [wave(0, 'RUNNING', { DOWNLOADING: 2 }), wave(1, 'SCHEDULED', {})]);
const PASSED = rollout('RUNNING', [wave(0, 'PASSED', { SUCCEEDED: 2 }), wave(1, 'RUNNING', { PROBATION: 2 })]);
const FINISHED = rollout('FINISHED', [wave(0, 'PASSED', { SUCCEEDED: 2 }), wave(1, 'PASSED', { SUCCEEDED: 2 })]);

/** Answers that the control plane gives one after the other, the last for ever; a number is an HTTP error. */
let answers: (RolloutDetail | number)[];
let looks: number;
let server: Server;
let port = 0;
let client: Pick<AdminClient, 'showRollout'>;

const listen = async (): Promise<void> => {
  server = createServer((_, response) => {
    looks += 1;
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    const status = typeof answer === 'number' ? answer : 200;
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
    response.end(JSON.stringify(typeof answer === 'number' ? {} : answer));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
};
const close = () => new Promise((resolve) => server.close(resolve));

beforeEach(async () => {
  looks = 0;
  port = 0;
  await listen();
  client = createClient(adminRoutes, { baseUrl: `http://127.0.0.1:${port}`, fetch: fetchOrExplain });
});
afterEach(close);

const statesSeen = async (options = {}): Promise<string[]> => {
  const states: string[] = [];
  for await (const { state } of followRollout(client, ID, { ...FAST, ...options })) {
    states.push(state);
    if (state === 'FINISHED') break;
  }
  return states;
};

describe('followRollout', () => {
  it('gives each look until whoever follows has seen enough', async () => {
    answers = [RUNNING, PASSED, FINISHED];
    expect(await statesSeen()).toEqual(['RUNNING', 'RUNNING', 'FINISHED']);
    expect(looks).toBe(3);
  });

  it('looks once even when there is no time', async () => {
    answers = [RUNNING];
    expect(await statesSeen({ timeoutSeconds: 0 })).toEqual(['RUNNING']);
  });

  it('outlives a control plane that restarts', async () => {
    answers = [RUNNING];
    const states: string[] = [];
    for await (const { state } of followRollout(client, ID, FAST)) {
      states.push(state);
      if (state === 'FINISHED') break;
      await close();
      answers = [503, 502, FINISHED];
      setTimeout(() => void listen(), 50);
    }
    expect(states).toEqual(['RUNNING', 'FINISHED']);
  });

  it('gives up on one that stays away', async () => {
    await close();
    await expect(statesSeen({ awayMs: 30 })).rejects.toThrow('does not answer');
    await listen();
    answers = [503];
    await expect(statesSeen({ awayMs: 30 })).rejects.toThrow('HTTP 503');
  });

  it('does not wait for a rollout that there is not', async () => {
    answers = [404];
    await expect(statesSeen()).rejects.toThrow('HTTP 404');
    expect(looks).toBe(1);
  });

  it('ends at once when it is told to', async () => {
    answers = [RUNNING];
    const told = new AbortController();
    const following = (async () => {
      for await (const _ of followRollout(client, ID, { timeoutSeconds: 60, lookMs: 60_000, signal: told.signal })) {
        setTimeout(() => told.abort(), 10);
      }
    })();
    await expect(following).rejects.toThrow('aborted');
  });
});

describe('watchRollout', () => {
  const watch = async (terminal: Partial<Screen>, options: { timeoutSeconds: number } = FAST) => {
    let text = '';
    const screen: Screen = {
      ...terminal,
      write: (more: string) => {
        text += more;
      },
    };
    const code = await watchRollout(client, ID, { lookMs: 10, ...options }, screen);
    return { code, text };
  };
  /** What stands on the terminal after each look. */
  const looksOf = (text: string) =>
    text.split('\u001b[J').map((look) => look.split('\n\u001b[')[0]?.trimEnd().split('\n') ?? []);

  it('prints each line once where nothing can be redrawn, and ends with the code of the end', async () => {
    answers = [RUNNING, RUNNING, PASSED, PASSED, FINISHED];
    const { code, text } = await watch({});
    const lines = text.trimEnd().split('\n');
    expect(code).toBe(0);
    expect(lines.filter((line) => line.includes('2 downloading'))).toHaveLength(1);
    expect(lines.filter((line) => line.includes('2 probation'))).toHaveLength(1);
    expect(lines.filter((line) => line.startsWith('meter-reader@1.1.0'))).toEqual([
      'meter-reader@1.1.0 → all   RUNNING',
      'meter-reader@1.1.0 → all   FINISHED',
    ]);
  });

  it('draws over the picture before on a terminal, no line longer than it is wide, and loses no word', async () => {
    answers = [RUNNING, FINISHED];
    const { text } = await watch({ isTTY: true, columns: 40 });
    const [first = [], second = []] = looksOf(text);
    expect(text).toContain(`\u001b[${first.length}A\u001b[J`);
    expect(second.join('\n')).toContain('FINISHED');
    expect(first.join(' ')).toMatch(/RUNNING\s+2\s+devices\s+2\s+downloading/);
    expect(Math.max(...[...first, ...second].map((line) => line.length))).toBeLessThanOrEqual(40);
  });

  it('draws no more lines than a low terminal has, and says how many are missing', async () => {
    answers = [RUNNING, FINISHED];
    const looks = looksOf((await watch({ isTTY: true, columns: 100, rows: 4 })).text);
    expect(looks.map((look) => look.length)).toEqual([3, 3]);
    expect(looks[1]?.[2]).toBe('… 3 more lines');
  });

  it('is in colours only where a terminal shows them', async () => {
    answers = [FINISHED];
    const terminal = { isTTY: true, columns: 100 };
    const coloured = await watch({ ...terminal, hasColors: () => true });
    expect(coloured.text).toContain('\u001b[32m████');
    for (const plain of [terminal, { ...terminal, hasColors: () => false }, { hasColors: () => true }]) {
      expect((await watch(plain)).text).not.toContain('\u001b[3');
    }
  });

  it('ends with 124 when it takes too long', async () => {
    answers = [RUNNING];
    expect((await watch({}, { timeoutSeconds: 0 })).code).toBe(124);
  });
});

describe('narrateRollout', () => {
  const narrate = async (options = {}) => {
    const told: string[] = [];
    const narrator = { say: (words: string) => told.push(words), detail: (words: string) => told.push(`  ${words}`) };
    const end = await narrateRollout(client, narrator, ID, { ...FAST, ...options });
    return { told, end };
  };

  it('tells each change once, with what the gates say, and leaves the end to tell', async () => {
    answers = [RUNNING, RUNNING, PASSED, PASSED, FINISHED];
    const { told, end } = await narrate();
    expect(told).toEqual([
      'wave 1 of 2  ▒▒  running: 2 downloading',
      'wave 1 of 2  ██  passed: 2 succeeded',
      '  passed: 0 of 2 devices failed',
      'wave 2 of 2  ▒▒  running: 2 on probation',
      'wave 2 of 2  ██  passed: 2 succeeded',
      '  passed: 0 of 2 devices failed',
    ]);
    expect(end.state).toBe('FINISHED');
  });

  it('tells when a rollout is held or taken back, and why', async () => {
    const failed = [wave(0, 'FAILED', { ROLLED_BACK: 1, CANCELED: 1 }), wave(1, 'SCHEDULED', {})];
    answers = [
      rollout('PAUSED', [], 'somebody paused it'),
      rollout('ROLLING_BACK', failed, 'wave 1 stopped'),
      rollout('ROLLED_BACK', failed),
    ];
    expect((await narrate()).told).toEqual([
      'the rollout is paused: somebody paused it',
      'wave 1 of 2  ××  failed: 1 rolled back, 1 canceled',
      'the rollout is rolling back: wave 1 stopped',
    ]);
  });

  it('says where a rollout stands that does not end in time', async () => {
    answers = [RUNNING];
    await expect(narrate({ timeoutSeconds: 0 })).rejects.toThrow('is still RUNNING');
  });
});
