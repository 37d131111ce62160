import { isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { type DefinitionProblem, ModelDefinitionError } from './definition-problem.ts';

type Path = readonly PropertyKey[];

/** What is needed of a JSON Schema to know which keys may stand at a path. */
interface KeySchema {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly items?: unknown;
  readonly anyOf?: readonly unknown[];
}

/** A YAML text that can say where in it a value stands. */
export class YamlSource {
  readonly #document;
  readonly #lines = new LineCounter();
  readonly #schema: unknown;

  constructor(text: string, schema: unknown) {
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    this.#schema = schema;
  }

  /** The content as plain values. @throws ModelDefinitionError when it is not YAML. */
  read(): unknown {
    if (this.#document.errors.length > 0) {
      throw new ModelDefinitionError(
        this.#document.errors.map((error) => ({
          path: '',
          ...this.#position(error.pos[0]),
          expected: error.code === 'DUPLICATE_KEY' ? 'each key once' : 'YAML',
          received: error.message,
        })),
      );
    }
    try {
      return this.#document.toJS();
    } catch (error) {
      // An alias that multiplies without end is only found here.
      const received = error instanceof Error ? error.message : String(error);
      throw new ModelDefinitionError([{ path: '', line: 1, column: 1, expected: 'YAML', received }]);
    }
  }

  /** Every issue of a schema as a problem with its place. */
  explain(error: z.ZodError): DefinitionProblem[] {
    return error.issues.flatMap((issue) => {
      if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => this.#unknownKey(issue.path, key));
      const deepest = issue.code === 'invalid_union' ? deeperIssue(issue) : undefined;
      return [this.problemAt([...issue.path, ...(deepest?.path ?? [])], { expected: expectation(deepest ?? issue) })];
    });
  }

  /** A problem with the value at `path`, or with its absence. */
  problemAt(path: Path, words: { expected: string; received?: string; hint?: string }): DefinitionProblem {
    const node = this.#document.getIn(path, true);
    const value = isNode(node) ? node.toJS(this.#document) : node;
    return {
      path: dotted(path),
      ...this.#positionOf(path),
      expected: words.expected,
      received: words.received ?? (value === undefined ? 'nothing' : shorten(JSON.stringify(value))),
      ...(words.hint === undefined ? {} : { hint: words.hint }),
    };
  }

  #unknownKey(path: Path, key: string): DefinitionProblem {
    const known = keysAt(this.#schema, path);
    const near = closest(key, known);
    const place = this.#keyOffset(path, key);
    return {
      path: dotted([...path, key]),
      ...(place === undefined ? this.#positionOf(path) : this.#position(place)),
      expected: `one of the keys ${known.join(', ')}`,
      received: `"${key}"`,
      ...(near === undefined ? {} : { hint: `did you mean "${near}"?` }),
    };
  }

  /** Where the value stands; for one that is not there, the key of the nearest thing around it. */
  #positionOf(path: Path): { line: number; column: number } {
    const node = this.#document.getIn(path, true);
    if (isNode(node) && node.range) return this.#position(node.range[0]);
    for (let depth = path.length - 1; depth > 0; depth--) {
      const [parent, key] = [path.slice(0, depth - 1), path[depth - 1]];
      const offset = this.#keyOffset(parent, key);
      if (offset !== undefined) return this.#position(offset);
      const around = this.#document.getIn(path.slice(0, depth), true);
      if (isNode(around) && around.range) return this.#position(around.range[0]);
    }
    return { line: 1, column: 1 };
  }

  #keyOffset(path: Path, key: PropertyKey | undefined): number | undefined {
    const map = path.length === 0 ? this.#document.contents : this.#document.getIn(path, true);
    if (!isMap(map)) return undefined;
    const pair = map.items.find((item) => isScalar(item.key) && item.key.value === key);
    return pair && isScalar(pair.key) ? pair.key.range?.[0] : undefined;
  }

  #position(offset: number): { line: number; column: number } {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}

/** Of a union, the issue inside the one branch that was clearly meant: the branch that got below the top. */
function deeperIssue(issue: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue | undefined {
  return issue.errors.flat().find((inner) => inner.path.length > 0);
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return TYPE_WORDS[issue.expected] ?? issue.expected;
    case 'invalid_value':
      return issue.values.length === 1 ? String(issue.values[0]) : `one of ${issue.values.join(', ')}`;
    case 'too_small':
      return sized(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum);
    case 'too_big':
      return sized(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum);
    default:
      return issue.message.replace(/^expected /, '');
  }
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'a text (write numbers in quotes)',
  number: 'a number',
  int: 'a whole number',
  array: 'a list',
  object: 'a map of keys',
};

function sized(origin: string, bound: string, limit: number | bigint): string {
  if (origin === 'string') return `${bound} ${limit} characters`;
  if (origin === 'array') return `${bound} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  return `${origin === 'int' ? 'a whole number of' : 'a number of'} ${bound} ${limit}`;
}

function keysAt(schema: unknown, path: Path): string[] {
  const branches = [schema as KeySchema, ...((schema as KeySchema).anyOf ?? []).map((branch) => branch as KeySchema)];
  const [step, ...rest] = path;
  if (step === undefined) return branches.flatMap((branch) => Object.keys(branch.properties ?? {}));
  return branches.flatMap((branch) => {
    const next = typeof step === 'number' ? branch.items : branch.properties?.[String(step)];
    return next === undefined ? [] : keysAt(next, rest);
  });
}

/** The candidate within two edits (a third of a short word), if any. */
function closest(word: string, candidates: readonly string[]): string | undefined {
  const [best] = candidates
    .map((candidate) => ({ candidate, edits: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  return best && best.edits <= Math.min(2, Math.max(1, Math.floor(word.length / 3))) ? best.candidate : undefined;
}

/** Edits between two words, where swapping two neighbours is one edit (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, index) => index)];
  const at = (row: number, column: number) => rows[row]?.[column] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : Infinity;
      row[j] = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + same, swapped);
    }
  }
  return at(a.length, b.length);
}

function dotted(path: Path): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text ? `${text}.${String(part)}` : String(part)),
    '',
  );
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
