/** What a device knows of itself, beside its labels. */
export const SELECTOR_ATTRIBUTES = ['id', 'name', 'profile', 'release', 'model', 'presence'] as const;
export type SelectorAttribute = (typeof SELECTOR_ATTRIBUTES)[number];

export type SelectorKey =
  | { readonly attribute: SelectorAttribute }
  /** A label that people gave the device. */
  | { readonly label: string };

/** A parsed selector: data, for whoever asks devices by it. */
export type Selector =
  | { readonly kind: 'all' }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Selector[] }
  | { readonly kind: 'not'; readonly operand: Selector }
  | { readonly kind: 'has'; readonly key: SelectorKey }
  | { readonly kind: 'in'; readonly key: SelectorKey; readonly values: readonly string[] };

/** A selector that cannot be read: says where, what was expected there, and what stands there. */
export class SelectorError extends Error {
  readonly code = 'selector-invalid';
  /** Zero-based offset into the text. */
  readonly offset: number;
  constructor(text: string, offset: number, expected: string) {
    const rest = text.slice(offset).split(/\s/, 1)[0];
    const found = rest === undefined || rest === '' ? 'the end' : `"${rest}"`;
    super(`expected ${expected}, found ${found} at character ${offset + 1}:\n  ${text}\n  ${' '.repeat(offset)}^`);
    this.offset = offset;
  }
}

interface Token {
  readonly kind: 'word' | 'string' | 'symbol' | 'end';
  readonly text: string;
  readonly offset: number;
}

const TOKEN = /\s*(?:(!=|=|\(|\)|,)|"([^"]*)"|'([^']*)'|([A-Za-z0-9_][A-Za-z0-9_.:@/+-]*))/y;

const tokenize = (text: string): Token[] => {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  for (;;) {
    const start = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) {
      const offset = start + (/^\s*/.exec(text.slice(start))?.[0].length ?? 0);
      if (offset < text.length)
        throw new SelectorError(text, offset, 'a name, a value in quotes, or one of = != ( ) ,');
      tokens.push({ kind: 'end', text: '', offset: text.length });
      return tokens;
    }
    const [whole, symbol, double, single, word] = match;
    const offset = start + (whole.length - whole.trimStart().length);
    if (symbol !== undefined) tokens.push({ kind: 'symbol', text: symbol, offset });
    else if (word !== undefined) tokens.push({ kind: 'word', text: word, offset });
    else tokens.push({ kind: 'string', text: double ?? single ?? '', offset });
  }
};

/** Letters to change, add, leave out or swap to get from one word to the other (Damerau–Levenshtein, restricted). */
const distance = (a: string, b: string): number => {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => Array.from({ length: b.length + 1 }, (_, j) => i + j));
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i += 1) {
    for (let j = 1; j <= b.length; j += 1) {
      let best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, at(i - 2, j - 2) + 1);
      const row = rows[i];
      if (row !== undefined) row[j] = best;
    }
  }
  return at(a.length, b.length);
};

/** Far more than anybody means, and far less than the stack can take. */
const MOST_NESTED = 100;

const KEYWORDS = new Set(['and', 'or', 'not', 'in', 'has', 'all']);

/** Recursive descent over `or` ← `and` ← `not` ← one comparison. */
class Parser {
  private readonly text: string;
  private readonly tokens: readonly Token[];
  private position = 0;
  private depth = 0;

  constructor(text: string) {
    this.text = text;
    this.tokens = tokenize(text);
  }

  parse(): Selector {
    const selector = this.either();
    if (this.next.kind !== 'end') throw this.error('"and", "or", "," or the end');
    return selector;
  }

  private either(): Selector {
    const operands = [this.both()];
    while (this.takeWord('or')) operands.push(this.both());
    const [only] = operands;
    return operands.length === 1 && only !== undefined ? only : { kind: 'or', operands };
  }

  private both(): Selector {
    const operands = [this.one()];
    while (this.takeWord('and') || this.takeSymbol(',')) operands.push(this.one());
    const [only] = operands;
    return operands.length === 1 && only !== undefined ? only : { kind: 'and', operands };
  }

  private one(): Selector {
    if (this.depth >= MOST_NESTED) throw this.error(`at most ${MOST_NESTED} of "not" and "(" within each other`);
    this.depth += 1;
    const selector = this.oneOf();
    this.depth -= 1;
    return selector;
  }

  private oneOf(): Selector {
    if (this.takeWord('not')) return { kind: 'not', operand: this.one() };
    if (this.takeWord('all')) return { kind: 'all' };
    if (this.takeWord('has')) return { kind: 'has', key: this.key() };
    if (this.takeSymbol('(')) {
      const inner = this.either();
      this.demandSymbol(')');
      return inner;
    }
    const key = this.key();
    if (this.takeSymbol('=')) return { kind: 'in', key, values: [this.value()] };
    if (this.takeSymbol('!=')) return { kind: 'not', operand: { kind: 'in', key, values: [this.value()] } };
    const negated = this.takeWord('not');
    if (this.takeWord('in')) {
      const choice: Selector = { kind: 'in', key, values: this.values() };
      return negated ? { kind: 'not', operand: choice } : choice;
    }
    throw this.error('=, !=, "in" or "not in"');
  }

  private key(): SelectorKey {
    const token = this.next;
    if (token.kind !== 'word' || KEYWORDS.has(token.text)) throw this.error('the name of an attribute or a label');
    if (token.text === 'label.') throw this.error('the name of a label after "label."');
    this.position += 1;
    if (token.text.startsWith('label.')) return { label: token.text.slice('label.'.length) };
    const attribute = SELECTOR_ATTRIBUTES.find((name) => name === token.text);
    if (attribute !== undefined) return { attribute };
    const meant = SELECTOR_ATTRIBUTES.find((name) => name.length > 3 && distance(name, token.text) === 1);
    if (meant !== undefined) {
      throw new SelectorError(
        this.text,
        token.offset,
        `"${meant}" (or "label.${token.text}", if a label is called so)`,
      );
    }
    return { label: token.text };
  }

  private value(): string {
    const token = this.next;
    if (token.kind !== 'word' && token.kind !== 'string') throw this.error('a value');
    this.position += 1;
    return token.text;
  }

  private values(): string[] {
    this.demandSymbol('(');
    const values = [this.value()];
    while (this.takeSymbol(',')) values.push(this.value());
    this.demandSymbol(')');
    return values;
  }

  private get next(): Token {
    return this.tokens[this.position] ?? { kind: 'end', text: '', offset: this.text.length };
  }

  private takeWord(text: string): boolean {
    return this.take('word', text);
  }

  private takeSymbol(text: string): boolean {
    return this.take('symbol', text);
  }

  private take(kind: Token['kind'], text: string): boolean {
    const fits = this.next.kind === kind && this.next.text === text;
    if (fits) this.position += 1;
    return fits;
  }

  private demandSymbol(text: string): void {
    if (!this.takeSymbol(text)) throw this.error(`"${text}"`);
  }

  private error(expected: string): SelectorError {
    return new SelectorError(this.text, this.next.offset, expected);
  }
}

/**
 * Reads a selector: `profile in (rpi4, rpi5) and site != lab`, `site=lyon,profile=rpi5`, `not (presence = offline)`,
 * `has floor`, `all`. A name that is no attribute is a label; `label.x` always is.
 * @throws SelectorError with the place
 */
export const parseSelector = (text: string): Selector => new Parser(text).parse();

/** What a selector looks at. */
export interface SelectableDevice {
  readonly attributes: Readonly<Partial<Record<SelectorAttribute, string | null>>>;
  readonly labels: Readonly<Record<string, string>>;
}

const ownValue = (key: SelectorKey, device: SelectableDevice): string | undefined => {
  if ('attribute' in key) return device.attributes[key.attribute] ?? undefined;
  return Object.hasOwn(device.labels, key.label) ? device.labels[key.label] : undefined;
};

/** Whether a device is meant. A comparison with something that the device does not have is false; its `not` is true. */
export const matchesSelector = (selector: Selector, device: SelectableDevice): boolean => {
  switch (selector.kind) {
    case 'all':
      return true;
    case 'and':
      return selector.operands.every((operand) => matchesSelector(operand, device));
    case 'or':
      return selector.operands.some((operand) => matchesSelector(operand, device));
    case 'not':
      return !matchesSelector(selector.operand, device);
    case 'has':
      return ownValue(selector.key, device) !== undefined;
    case 'in': {
      const value = ownValue(selector.key, device);
      return value !== undefined && selector.values.includes(value);
    }
  }
};
