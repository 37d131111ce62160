import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { AgentProcess } from './agent/agent-process.ts';
import { layPackagedAgent } from './agent/packaged-agent.ts';
import { residentKB } from './agent/process-memory.ts';
import { sampleBothWays } from './agent/sampling.ts';
import { countSpawned, WINDOWS } from './agent/spawned.ts';
import { type Bench, median } from './harness.ts';

const ROUNDS = 5;
/** Until both processes have collected what their start has left. */
const SETTLE_MS = 15_000;
/** As an agent reports by default. */
const TELEMETRY_SECONDS = 10;
/** How many times as often it reports while its growth is watched. */
const GROWTH_RATE = Number(process.env.AVIARY_BENCH_AGENT_RATE ?? 200);
const GROWTH_SECONDS = Number(process.env.AVIARY_BENCH_AGENT_SECONDS ?? 180);
const GLANCES = 20;

/** Node with a timer and nothing else. */
const bareNode = async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
  return {
    pid: child.pid ?? 0,
    stop: async () => {
      const closed = once(child, 'close');
      child.kill();
      await closed;
    },
  };
};

/** One round: an agent that is connected and has nothing to do, beside a Node that has nothing to do. In kB. */
const idleRound = async (program: string): Promise<{ readonly agent: number; readonly bare: number }> => {
  const bare = await bareNode();
  try {
    const agent = await AgentProcess.start({ program, serving: false, telemetrySeconds: TELEMETRY_SECONDS });
    try {
      await pause(SETTLE_MS);
      return { agent: await residentKB(agent.pid), bare: await residentKB(bare.pid) };
    } finally {
      await agent.stop();
    }
  } finally {
    await bare.stop();
  }
};

/** Median of the resident memory over some seconds, in kB: between two collections it goes up and down. */
const residentOver = async (pid: number, seconds: number): Promise<number> => {
  const seen: number[] = [];
  for (let glance = 0; glance < GLANCES; glance += 1) {
    await pause((seconds * 1000) / GLANCES);
    seen.push(await residentKB(pid));
  }
  return median(seen);
};

/** Resident memory in the middle and at the end of a run of an agent, which ends with it, in kB. */
const residentInRun = async (agent: AgentProcess): Promise<{ readonly middle: number; readonly end: number }> => {
  try {
    await pause((GROWTH_SECONDS * 1000) / 2);
    const edge = GROWTH_SECONDS / 10;
    const middle = await residentOver(agent.pid, edge);
    await pause((GROWTH_SECONDS / 2 - 2 * edge) * 1000);
    return { middle, end: await residentOver(agent.pid, edge) };
  } finally {
    await agent.stop();
  }
};

const bench: Bench = {
  about:
    'the supervisor of an agent as its package has it: its memory beside a bare Node of the same version, what reading the board takes beside the calls of systeminformation that tell the same, and its growth while it serves and reports far more often than it does',
  async run(report) {
    if (!(GROWTH_SECONDS >= 10)) {
      throw new Error(
        `Expected at least 10 seconds in AVIARY_BENCH_AGENT_SECONDS, got "${process.env.AVIARY_BENCH_AGENT_SECONDS}".`,
      );
    }
    if (!(GROWTH_RATE >= 1)) {
      throw new Error(`Expected at least 1 in AVIARY_BENCH_AGENT_RATE, got "${process.env.AVIARY_BENCH_AGENT_RATE}".`);
    }
    await using packaged = await layPackagedAgent();
    const { program } = packaged;
    const idle: { agent: number; bare: number }[] = [];
    for (let round = 0; round < ROUNDS; round += 1) idle.push(await idleRound(program));
    report({
      figure: 'resident memory of an idle supervisor',
      value: median(idle.map(({ agent }) => agent / 1024)),
      unit: 'MB',
      versus: `a bare Node (${median(idle.map(({ bare }) => bare / 1024)).toFixed(1)} MB)`,
      ratio: median(idle.map(({ agent, bare }) => agent / bare)),
      goal: { at: 'most', ratio: 1.5 },
    });

    const samples: Awaited<ReturnType<typeof sampleBothWays>>[] = [];
    for (let round = 0; round < ROUNDS; round += 1) samples.push(await sampleBothWays());
    for (const cost of ['wall', 'cpu'] as const) {
      report({
        figure: `a sampling of the board, ${cost === 'wall' ? 'wall time' : 'CPU time'}`,
        value: median(samples.map(({ ours }) => ours[cost])),
        unit: 'ms',
        versus: `systeminformation (${median(samples.map(({ theirs }) => theirs[cost])).toFixed(0)} ms)`,
        ratio: median(samples.map(({ ours, theirs }) => ours[cost] / theirs[cost])),
        goal: { at: 'most', ratio: 0.02 },
      });
    }

    const { programs, seenBy } = await countSpawned(program);
    report({
      figure: 'programs started while the board is read',
      value: programs,
      unit: 'programs',
      versus: `${WINDOWS} readings, seen by ${seenBy}`,
      ratio: programs / WINDOWS,
      goal: { at: 'most', ratio: 0 },
    });

    const bare = await bareNode();
    try {
      const telemetrySeconds = TELEMETRY_SECONDS / GROWTH_RATE;
      const agent = await AgentProcess.start({ program, serving: true, telemetrySeconds });
      const { middle, end } = await residentInRun(agent);
      const beside = await residentKB(bare.pid);
      const run = `${GROWTH_SECONDS} s at ${GROWTH_RATE} times the usual rate`;
      report({
        figure: `resident memory of a supervisor that serves, after ${run}`,
        value: end / 1024,
        unit: 'MB',
        versus: `a bare Node (${(beside / 1024).toFixed(1)} MB)`,
        ratio: end / beside,
        goal: { at: 'most', ratio: 1.5 },
      });
      report({
        figure: `growth in the second half of ${run}`,
        value: (end - middle) / 1024,
        unit: 'MB',
        versus: `its resident memory in the middle (${(middle / 1024).toFixed(1)} MB)`,
        ratio: end / middle,
        goal: { at: 'most', ratio: 1.05 },
      });
    } finally {
      await bare.stop();
    }
  },
};
export default bench;
