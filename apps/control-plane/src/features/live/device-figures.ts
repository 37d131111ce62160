import type { DeviceFigures } from '@aviary/protocol';
import { millisecondsOf, type Sql } from '../../infra/database.ts';
import type { Logger } from '../../infra/log.ts';
import { eventMessage } from './change-messages.ts';
import type { EventStream } from './event-stream.ts';

const LOOK_MS = 1_000;

// Of the release that serves, or of the one that was heard of last.
const FIGURES = `
  select p.device_id as "deviceId", ${millisecondsOf('p.received_at')} as at, f.release, f.frames::float8 as frames,
    f.dropped::float8 as dropped, f.errors::float8 as errors, f.low_confidence::float8 as "lowConfidence",
    f.labelled::float8 as labelled, f.correct::float8 as correct, f.latency_p95_ms as "latencyP95Ms", f.board
  from telemetry_position p
  join device d on d.id = p.device_id
  cross join lateral (
    select * from field_metrics m where m.device_id = p.device_id
    order by (m.release = d.running_release) is true desc, m.updated_at desc limit 1
  ) as f
  where p.device_id = any ($1) and p.received_at is not null`;

interface Viewer {
  readonly stream: EventStream;
  readonly deviceId: string;
  /** Of the figures that it was sent. */
  at: number;
}

/** The newest figures of the devices whose pages are open in this process: one query a second for all of them. */
export class DeviceFiguresFeed {
  private readonly viewers = new Set<Viewer>();
  private timer: NodeJS.Timeout | undefined;
  private looking = false;

  constructor(
    private readonly database: Sql,
    private readonly log: Logger,
  ) {}

  start(): void {
    this.timer = setInterval(() => void this.look(), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Sends `device` events to a stream until it ends. */
  follow(stream: EventStream, deviceId: string): void {
    const viewer: Viewer = { stream, deviceId, at: 0 };
    this.viewers.add(viewer);
    stream.onEnd(() => this.viewers.delete(viewer));
  }

  private async look(): Promise<void> {
    if (this.viewers.size === 0 || this.looking) return;
    this.looking = true;
    try {
      const wanted = [...new Set([...this.viewers].map(({ deviceId }) => deviceId))];
      const rows = await this.database.query<DeviceFigures>(FIGURES, [wanted]);
      const newest = new Map(rows.map((row) => [row.deviceId, row]));
      for (const viewer of this.viewers) {
        const figures = newest.get(viewer.deviceId);
        if (figures === undefined || figures.at === viewer.at) continue;
        viewer.at = figures.at;
        viewer.stream.send(eventMessage('device', figures));
      }
    } catch (error) {
      this.log.warn({ error: String(error) }, 'the figures of devices could not be read; it will be tried again');
    } finally {
      this.looking = false;
    }
  }
}
