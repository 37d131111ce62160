import { type Logger, pino } from 'pino';

export type { Logger };

/** JSON lines on stderr; stdout belongs to whoever started the process. */
export const createLogger = (role: string, level: string): Logger =>
  pino({ level, base: { role } }, pino.destination({ dest: 2, sync: true }));
