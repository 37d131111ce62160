/** Text that others wrote, without what a terminal would obey: control characters become `\ufffd`. */
export const printable = (text: string): string => text.replace(/\p{Cc}/gu, '\ufffd');

/** Columns aligned by their widest cell; the header in capitals, as kubectl has it. */
export const renderTable = (header: readonly string[], rows: readonly (readonly string[])[]): string => {
  const all = [header.map((cell) => cell.toUpperCase()), ...rows.map((row) => row.map(printable))];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};

/** How long ago, in the largest unit that fits: 12s, 5m, 3h, 2d. */
export const renderAge = (then: number | null, now: number): string => {
  if (then === null) return 'never';
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)}h` : `${Math.round(seconds / 86_400)}d`;
};

export const renderLabels = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
