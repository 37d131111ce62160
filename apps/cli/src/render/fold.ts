/** How much further in the rest of a broken line begins. */
const HANG = 2;

/** Breaks a line at spaces so that no part is longer than `width`; the rest begins a little further in. */
export const fold = (line: string, width: number): string[] => {
  const indent = ' '.repeat(Math.min(line.length - line.trimStart().length + HANG, Math.floor(width / 2)));
  const parts: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const at = rest.lastIndexOf(' ', width);
    const isBreak = at > rest.length - rest.trimStart().length;
    const end = isBreak ? at : width;
    parts.push(rest.slice(0, end).trimEnd());
    rest = indent + rest.slice(end).trimStart();
  }
  return [...parts, rest];
};
