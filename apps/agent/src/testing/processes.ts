import { readdirSync, readFileSync } from 'node:fs';

/** Ids of the processes whose command line has all of these texts. */
export const processesWith = (...texts: readonly string[]): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return texts.every((text) => command.includes(text));
      } catch {
        return false;
      }
    })
    .map(Number);

/** From -20 to 19; undefined when the process is gone. */
export const niceOf = (pid: number): number | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // Field 19, counted after the name in parentheses, which may hold spaces.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
  } catch {
    return undefined;
  }
};
