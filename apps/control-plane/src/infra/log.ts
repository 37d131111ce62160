import { type Logger, pino } from 'pino';

export type { Logger };

/** Which of an error's fields say what is wrong; others may carry what was on its way to the database. */
const TELLING = ['code', 'constraint', 'table', 'column', 'routine'] as const;

/** An error as it is logged: never with the statement's values, which are secrets, or megabytes. */
export const describeError = (error: unknown): Record<string, unknown> => {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const fields: Record<string, unknown> = { type: error.constructor.name, message: error.message };
  for (const name of TELLING) {
    const value: unknown = Reflect.get(error, name);
    if (typeof value === 'string') fields[name] = value;
  }
  if (error.cause !== undefined) fields.cause = describeError(error.cause);
  return { ...fields, stack: error.stack };
};

/** JSON lines on stderr; stdout belongs to whoever started the process. */
export const createLogger = (role: string, level: string): Logger =>
  pino({ level, base: { role }, serializers: { err: describeError } }, pino.destination({ dest: 2, sync: true }));
