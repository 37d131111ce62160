import { statfs } from 'node:fs/promises';
import { freemem, loadavg } from 'node:os';
import type { DeviceFacts } from '@aviary/hardware';
import type { ExecutionRecord, MetricsRecord, TelemetryRecord } from '@aviary/protocol';
import { ProcessUsageMeter } from '../inference/process-usage.ts';
import type { Serving } from '../inference/serving.ts';
import type { LoadedRelease } from '../update/serving-slot.ts';
import type { UpdateReporter } from '../update/updater.ts';
import type { Uplink } from './uplink.ts';

const MEGABYTE = 2 ** 20;
const LONGEST_MESSAGE = 1_000;

/** Turns what happens on the device into records: metrics by the clock, everything else at once. */
export class Reporter implements UpdateReporter {
  private readonly usage = new ProcessUsageMeter();
  private windowStart = Date.now();
  private timer: NodeJS.Timeout | undefined;
  private serves: LoadedRelease | null = null;

  constructor(
    private readonly uplink: Uplink,
    private readonly serving: Serving,
    private readonly stateDirectory: string,
    private readonly windowSeconds: number,
  ) {}

  start(): void {
    this.timer = setInterval(() => void this.flush(), this.windowSeconds * 1000);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  facts(facts: DeviceFacts): Promise<void> {
    return this.uplink.report([{ type: 'facts', at: Date.now(), facts }]);
  }

  execution(record: Omit<ExecutionRecord, 'type' | 'at'>): Promise<void> {
    const reason = record.reason && { ...record.reason, message: record.reason.message.slice(0, LONGEST_MESSAGE) };
    return this.uplink.report([
      { type: 'execution', at: Date.now(), ...record, ...(reason === undefined ? {} : { reason }) },
    ]);
  }

  event(level: 'info' | 'warning' | 'error', code: string, message: string): Promise<void> {
    return this.uplink.report([
      { type: 'event', at: Date.now(), level, code, message: message.slice(0, LONGEST_MESSAGE) },
    ]);
  }

  /** Another release serves from now on: what was counted so far is reported as the one before's. */
  async servingChanged(loaded: LoadedRelease | null): Promise<void> {
    await this.flush();
    this.serves = loaded;
    await this.uplink.report([
      {
        type: 'running',
        at: Date.now(),
        release: loaded?.release.release ?? null,
        digest: loaded?.release.digest ?? null,
      },
    ]);
  }

  /** Reports the window so far, and begins a new one. */
  async flush(): Promise<void> {
    const { serves, windowStart: at } = this;
    const windowSeconds = Math.max(0.001, (Date.now() - at) / 1000);
    this.windowStart = Date.now();
    const { frames, dropped, errors, ...counts } = this.serving.take();
    // Frames without a release are dropped frames, and say nothing of a model; the running record says that none serves.
    if (serves === null || frames + dropped + errors === 0) return;
    const { requested, effective } = serves.worker.provider;
    const record: MetricsRecord = {
      type: 'metrics',
      at,
      windowSeconds,
      release: serves.release.release,
      digest: serves.release.digest,
      frames,
      dropped,
      errors,
      ...counts,
      provider: { requested: [...requested], effective },
      process: this.processes(serves.worker.pid),
      board: await this.board(),
    };
    const records: TelemetryRecord[] = [record];
    await this.uplink.report(records);
  }

  private processes(workerPid: number): MetricsRecord['process'] {
    const { rssBytes, cpuPercent } = this.usage.sample([process.pid, workerPid]);
    return { rssBytes: Math.round(rssBytes), cpuPercent: Math.max(0, cpuPercent) };
  }

  private async board(): Promise<MetricsRecord['board']> {
    const disk = await statfs(this.stateDirectory).catch(() => undefined);
    return {
      memoryFreeMB: Math.floor(freemem() / MEGABYTE),
      load1: loadavg()[0],
      ...(disk === undefined ? {} : { diskFreeMB: Math.floor((disk.bavail * disk.bsize) / MEGABYTE) }),
    };
  }
}
