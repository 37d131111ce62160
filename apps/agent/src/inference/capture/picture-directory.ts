import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

const PICTURE = /\.(?:png|jpe?g|webp|gif|tiff?|avif)$/i;
const LABELS_FILE = 'labels.csv';

/** What one look at the directory gave. */
export type Look =
  | { readonly kind: 'picture'; readonly file: string; readonly bytes: Uint8Array; readonly truth?: string }
  | { readonly kind: 'unreadable'; readonly file: string; readonly words: string }
  | { readonly kind: 'nothing'; readonly words: string };

/**
 * The pictures of a directory in the order of their names, round and round. The place is kept by name, so that pictures
 * may come and go: a new one is found when the directory's change time moves, and at the end of each round at the latest.
 */
export class PictureDirectory {
  readonly #path: string;
  #files: string[] = [];
  #truths = new Map<string, string>();
  #last = '';
  #listedAt = Number.NaN;

  constructor(path: string) {
    this.#path = path;
  }

  /** The next picture. Never rejects: what cannot be read is said in words. */
  async next(): Promise<Look> {
    try {
      await this.#refresh();
    } catch (error) {
      this.#listedAt = Number.NaN;
      return {
        kind: 'nothing',
        words: `the picture directory ${this.#path} cannot be read (${reason(error)}); trying again`,
      };
    }
    const file = this.#files.find((name) => name > this.#last) ?? this.#files[0];
    if (file === undefined) {
      return {
        kind: 'nothing',
        words: `the directory ${this.#path} has no pictures (png, jpeg, webp, gif, tiff or avif); waiting for some`,
      };
    }
    this.#last = file;
    try {
      const bytes = await readFile(join(this.#path, file));
      const truth = this.#truths.get(file);
      return { kind: 'picture', file, bytes, ...(truth === undefined ? {} : { truth }) };
    } catch (error) {
      return { kind: 'unreadable', file, words: `${file} cannot be read (${reason(error)})` };
    }
  }

  async #refresh(): Promise<void> {
    const changedAt = (await stat(this.#path)).mtimeMs;
    const roundEnds = this.#last >= (this.#files.at(-1) ?? '');
    if (changedAt === this.#listedAt && !roundEnds) return;
    const names = await readdir(this.#path);
    this.#files = names.filter((name) => PICTURE.test(name) && !name.startsWith('.')).sort();
    this.#truths = names.includes(LABELS_FILE)
      ? parseLabels(await readFile(join(this.#path, LABELS_FILE), 'utf8'))
      : new Map();
    this.#listedAt = changedAt;
  }
}

/**
 * Lines of `file,label`; a first line that says just that, and empty ones, are left out. The label stands after the last
 * comma, so a file's name may hold some.
 */
export function parseLabels(text: string): Map<string, string> {
  const truths = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const comma = line.lastIndexOf(',');
    if (comma < 1 || line.trim().toLowerCase() === 'file,label') continue;
    truths.set(line.slice(0, comma).trim(), line.slice(comma + 1).trim());
  }
  return truths;
}

function reason(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.message : String(error);
}
