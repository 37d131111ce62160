import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ProcessUsageMeter } from './process-usage.ts';

/** What the kernel itself says of this process's resident memory, in another file and unit. */
function vmRssBytes(): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
}

function openStatFiles(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return /^\/proc\/\d+\/stat$/.test(readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      return false;
    }
  }).length;
}

describe('ProcessUsageMeter', () => {
  it('measures memory as the kernel does and CPU as it is burnt', () => {
    let now = 0;
    const meter = new ProcessUsageMeter(() => now);
    expect(meter.sample([process.pid]).cpuPercent).toBe(0);
    const burnFrom = process.cpuUsage();
    for (let burnt = process.cpuUsage(burnFrom); burnt.user + burnt.system < 300_000; )
      burnt = process.cpuUsage(burnFrom);
    now = 1000;
    const { rssBytes, cpuPercent } = meter.sample([process.pid]);
    meter.close();
    expect(rssBytes / vmRssBytes()).toBeGreaterThan(0.8);
    expect(rssBytes / vmRssBytes()).toBeLessThan(1.25);
    // 0.3 s of CPU in a second of the given clock, in whole ticks.
    expect(cpuPercent).toBeGreaterThanOrEqual(28);
  });

  it('counts a process that is gone as nothing and keeps no descriptor of it', async () => {
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume(); console.log("up")'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    await once(child.stdout, 'data');
    const pid = child.pid ?? 0;
    const meter = new ProcessUsageMeter();
    const before = openStatFiles();
    expect(meter.sample([pid]).rssBytes).toBeGreaterThan(10_000_000);
    expect(openStatFiles()).toBe(before + 1);
    child.stdin.end();
    await once(child, 'exit');
    expect(meter.sample([pid])).toEqual({ rssBytes: 0, cpuPercent: 0 });
    expect(openStatFiles()).toBe(before);
  });
});
