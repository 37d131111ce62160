import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/** What a first load may bring at most, in bytes of gzipped script. */
const FIRST_LOAD_LIMIT = 300_000;

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));

interface Chunk {
  readonly file: string;
  readonly isEntry?: boolean;
  readonly isDynamicEntry?: boolean;
  readonly imports?: readonly string[];
}

/** A page and the bytes of gzipped script that a browser fetches before it is there. */
export interface FirstLoad {
  readonly page: string;
  readonly bytes: number;
}

/** For each page that a person may open first: the entry, the page, and all that these import. Largest first. */
export const firstLoads = (dist = DIST): FirstLoad[] => {
  const chunks: Record<string, Chunk> = JSON.parse(readFileSync(`${dist}manifest.json`, 'utf8'));
  const sizes = new Map<string, number>();
  const collect = (name: string, into: Set<string>): Set<string> => {
    const chunk = chunks[name];
    if (chunk === undefined) throw new Error(`Expected ${name} in manifest.json; build the console again.`);
    if (!into.has(chunk.file)) {
      into.add(chunk.file);
      for (const next of chunk.imports ?? []) collect(next, into);
    }
    return into;
  };
  const size = (file: string): number => {
    const known = sizes.get(file) ?? gzipSync(readFileSync(dist + file), { level: 9 }).length;
    sizes.set(file, known);
    return known;
  };
  const names = Object.keys(chunks);
  const entries = names.filter((name) => chunks[name]?.isEntry === true);
  if (entries.length === 0) throw new Error('Expected an entry in manifest.json; build the console again.');
  const pages = names.filter((name) => chunks[name]?.isDynamicEntry === true);
  return pages
    .map((page) => {
      const files = new Set<string>();
      for (const name of [...entries, page]) collect(name, files);
      return { page, bytes: [...files].reduce((sum, file) => sum + size(file), 0) };
    })
    .sort((a, b) => b.bytes - a.bytes);
};

if (import.meta.main) {
  const loads = firstLoads();
  const largest = loads[0];
  if (largest === undefined) throw new Error('Expected pages that are loaded when they are opened; there are none.');
  const kB = (bytes: number) => `${(bytes / 1000).toFixed(0)} kB`;
  const within = largest.bytes <= FIRST_LOAD_LIMIT;
  const words = `first load: at most ${kB(largest.bytes)} of gzipped script (${largest.page}), limit ${kB(FIRST_LOAD_LIMIT)}`;
  console.log(words);
  if (!within) process.exitCode = 1;
}
