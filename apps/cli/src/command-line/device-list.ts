import { readFile } from 'node:fs/promises';
import type { adminRoutes, Client } from '@aviary/protocol';
import { UsageError } from './usage-error.ts';

/** What a selector can have in quotes. */
const WORD = /^[^"\p{Cc}]{1,128}$/u;

/** Devices asked about at once: an address has an end. */
const AT_ONCE = 40;

interface Line {
  readonly number: number;
  /** An id or a name. */
  readonly word: string;
}

interface WrongLine {
  readonly number: number;
  readonly message: string;
}

/** Reads one id or name a line; empty lines, and what follows a # at the beginning or after a space, are left out. */
export const readLines = (text: string): { lines: Line[]; wrong: WrongLine[] } => {
  const first = new Map<string, number>();
  const wrong: WrongLine[] = [];
  text.split(/\r?\n/).forEach((line, index) => {
    const word = line.replace(/(^|\s)#.*$/, '').trim();
    if (word === '') return;
    const number = index + 1;
    const before = first.get(word);
    if (before !== undefined)
      wrong.push({ number, message: `expected each device once: it is in line ${before} already` });
    else if (!WORD.test(word)) wrong.push({ number, message: 'expected one id or name, without double quotes' });
    else first.set(word, number);
  });
  return { lines: [...first].map(([word, number]) => ({ number, word })), wrong };
};

const inQuotes = (words: readonly string[]): string => words.map((word) => `"${word}"`).join(', ');

/** The devices that lines name. */
const find = async (
  client: Client<typeof adminRoutes>,
  lines: readonly Line[],
): Promise<{ id: string; name: string }[]> => {
  const found: { id: string; name: string }[] = [];
  for (let from = 0; from < lines.length; from += AT_ONCE) {
    const words = inQuotes(lines.slice(from, from + AT_ONCE).map(({ word }) => word));
    const selector = `id in (${words}) or name in (${words})`;
    let cursor: string | undefined;
    do {
      const page = await client.listDevices({
        query: { selector, limit: 500, ...(cursor === undefined ? {} : { cursor }) },
      });
      found.push(...page.items);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }
  return found;
};

/**
 * A selector for exactly the devices that a file lists, by id or by name.
 * @throws UsageError with every wrong line by its number
 */
export const selectorOfFile = async (client: Client<typeof adminRoutes>, file: string): Promise<string> => {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const { lines, wrong } = readLines(text);
  const devices = await find(client, lines);
  const ids = new Set<string>();
  for (const { number, word } of lines) {
    const meant = devices.filter(({ id, name }) => id === word || name === word).map(({ id }) => id);
    const [id] = meant;
    if (id === undefined) wrong.push({ number, message: `no device has the id or name ${word}` });
    else if (new Set(meant).size > 1)
      wrong.push({ number, message: `several devices are called ${word}: ${meant.join(', ')}` });
    else ids.add(id);
  }
  if (wrong.length > 0) {
    const words = wrong
      .sort((a, b) => a.number - b.number)
      .map(({ number, message }) => `\n  ${file}:${number} ${message}`);
    throw new UsageError(`${file} cannot be followed:${words.join('')}`);
  }
  if (ids.size === 0) throw new UsageError(`Expected devices in ${file}, one id or name a line; it lists none.`);
  return `id in (${[...ids].join(', ')})`;
};
