import { stringify } from 'yaml';

/** Data as text: as a table made by `table`, or whole. */
export const printAs = (data: unknown, output: 'table' | 'json' | 'yaml', table: () => string): string => {
  if (output === 'json') return JSON.stringify(data, null, 2);
  return output === 'yaml' ? stringify(data).trimEnd() : table();
};
