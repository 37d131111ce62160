import { readFile } from 'node:fs/promises';
import { ApiError } from '@aviary/protocol';
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { UsageError } from './usage-error.ts';

/** A file of keys, which can say where in it something stands. */
export class WrittenYaml {
  readonly #file: string;
  readonly #document: Document;
  readonly #lines: LineCounter;

  constructor(file: string, document: Document, lines: LineCounter) {
    this.#file = file;
    this.#document = document;
    this.#lines = lines;
  }

  /** What it says, for the caller to change. */
  get keys(): Record<string, unknown> {
    return { ...(this.#document.toJS() as Record<string, unknown>) };
  }

  /**
   * Does what the file asks for.
   * @throws UsageError with every wrong place by line and column, when the control plane names places; else what `work` throws
   */
  async asked<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const problems = error instanceof ApiError ? (error.problem.problems ?? []) : [];
      if (problems.length === 0) throw error;
      const lines = problems.map(({ path, message }) => `\n  ${this.#placeOf(path)} ${path}: ${message}`);
      throw new UsageError(`${this.#file} cannot be followed:${lines.join('')}`);
    }
  }

  /** `file:line:column` of a value, or of what it is missing in. */
  #placeOf(path: string): string {
    let offset = 0;
    let node: unknown = this.#document.contents;
    for (const step of path.split('.').filter((part) => part !== '')) {
      const [at, inner] = childOf(node, step);
      if (at === undefined) break;
      offset = at;
      node = inner;
    }
    const { line, col } = this.#lines.linePos(offset);
    return `${this.#file}:${line}:${col}`;
  }
}

/** Where a key or an item begins, and what it holds. */
const childOf = (node: unknown, step: string): readonly [number | undefined, unknown] => {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
    return [isScalar(pair?.key) ? pair.key.range?.[0] : undefined, pair?.value];
  }
  const item = isSeq(node) ? node.items[Number(step)] : undefined;
  return [isNode(item) ? (item.range?.[0] ?? undefined) : undefined, item];
};

/**
 * Reads a file of keys that a flag names.
 * @param what it should be, e.g. `a rollout specification`
 * @param help what is said of a file that holds something else
 * @throws UsageError
 */
export const readYaml = async (path: string, what: string, help: string): Promise<WrittenYaml> => {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    throw new UsageError(`Expected ${what} for --file, and cannot read "${path}".`);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    const places = document.errors.map((error) => {
      const { line, col } = lines.linePos(error.pos[0]);
      return `\n  ${path}:${line}:${col} ${error.message}`;
    });
    throw new UsageError(`Expected YAML in ${path}:${places.join('')}`);
  }
  if (!isMap(document.contents)) {
    throw new UsageError(`Expected keys such as "release: model@version" in ${path}. ${help}`);
  }
  return new WrittenYaml(path, document, lines);
};
