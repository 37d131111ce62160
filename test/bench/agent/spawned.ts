import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { AgentProcess } from './agent-process.ts';

const TELEMETRY_SECONDS = 0.25;
/** In which the agent has started all that it starts. */
const SETTLE_MS = 5_000;
const WATCH_MS = 15_000;
const GLANCE_MS = 5;

/** How often the board is read while it is watched. */
export const WINDOWS = WATCH_MS / (TELEMETRY_SECONDS * 1000);

const hasStrace = (): boolean => spawnSync('strace', ['-f', 'true'], { stdio: 'ignore' }).status === 0;

const programsIn = async (trace: string): Promise<number> =>
  (await readFile(trace, 'utf8')).split('\n').filter((line) => line.includes('execve')).length;

/** By the kernel's own record of each program that a process or one of its children starts. */
const byStrace = async (program: string): Promise<number> => {
  const folder = await mkdtemp(join(tmpdir(), 'aviary-bench-strace-'));
  const trace = join(folder, 'trace');
  try {
    const under = ['strace', '-D', '-f', '-qq', '-e', 'trace=execve,execveat', '-o', trace];
    const agent = await AgentProcess.start({ program, serving: true, telemetrySeconds: TELEMETRY_SECONDS, under });
    try {
      await pause(SETTLE_MS);
      const before = await programsIn(trace);
      await pause(WATCH_MS);
      return (await programsIn(trace)) - before;
    } finally {
      await agent.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** Children of a process, of all its threads. */
const childrenOf = async (pid: number): Promise<string[]> => {
  const threads = await readdir(`/proc/${pid}/task`);
  const lists = threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => ''));
  return (await Promise.all(lists)).flatMap((list) => list.split(' ').filter((child) => child !== ''));
};

/** By looking again and again who its children are: one that lives for less than a glance is missed. */
const byGlances = async (program: string): Promise<number> => {
  const agent = await AgentProcess.start({ program, serving: true, telemetrySeconds: TELEMETRY_SECONDS });
  try {
    await pause(SETTLE_MS);
    const known = new Set(await childrenOf(agent.pid));
    const before = known.size;
    for (const until = performance.now() + WATCH_MS; performance.now() < until; await pause(GLANCE_MS)) {
      for (const child of await childrenOf(agent.pid)) known.add(child);
    }
    return known.size - before;
  } finally {
    await agent.stop();
  }
};

/** Programs that an agent starts while it serves and reads its board, and how that was seen. */
export const countSpawned = async (program: string): Promise<{ readonly programs: number; readonly seenBy: string }> =>
  hasStrace()
    ? { programs: await byStrace(program), seenBy: 'strace -f -e execve' }
    : { programs: await byGlances(program), seenBy: `a look at /proc/PID/task/*/children every ${GLANCE_MS} ms` };
