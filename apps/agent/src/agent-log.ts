import { type Logger, pino } from 'pino';
import { LogFile, type LogFileOptions } from './log-file.ts';

/** Lines that wait for a standard error that takes nothing, e.g. a file on a full disk; what is more is let go. */
const MOST_WAITING_BYTES = 64 * 1024;

/** The agent's log: on standard error, or in a file where one is named. @throws LogFileError */
export const openLog = (level: string, device: string, file: LogFileOptions | undefined): Logger => {
  const options = { level, base: { device } };
  if (file !== undefined) return pino(options, new LogFile(file));
  const standardError = pino.destination({ dest: 2, sync: true, maxLength: MOST_WAITING_BYTES });
  // Nobody hears of it, and without this the agent would end.
  standardError.on('error', () => undefined);
  return pino(options, standardError);
};
