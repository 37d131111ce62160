import { type Logger, pino } from 'pino';

/** One line of a log, as it would be written. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A real logger whose lines stay in memory, to be looked at. */
export const createMemoryLog = (): { log: Logger; lines: LogLine[] } => {
  const lines: LogLine[] = [];
  const log = pino({ level: 'trace', base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { log, lines };
};
