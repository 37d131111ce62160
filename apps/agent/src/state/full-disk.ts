/** There is no room, or none for this user. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/** Whether a disk has refused something for want of room: when there is some again, the same goes through. */
export const isDiskFull = (error: unknown): boolean =>
  error instanceof Error && FULL.has((error as NodeJS.ErrnoException).code ?? '');
