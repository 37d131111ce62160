import { FACT_PATHS, type FactPath } from '@aviary/hardware';
import {
  factPathOf,
  SELECTOR_ATTRIBUTES,
  type Selector,
  type SelectorComparison,
  type SelectorKey,
} from './selector.ts';
import { SelectorError, type Token, tokenize } from './selector-token.ts';

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
const COMPARISONS = ['<', '<=', '>', '>='] as const satisfies SelectorComparison[];

/** As facts are written: megabytes and cores have no sign, and no more digits than a double keeps. */
const NUMBER = /^\d{1,15}(\.\d{1,15})?$/;

const isNumber = (key: SelectorKey): boolean => 'fact' in key && factPathOf(key.fact).type === 'number';

const wordsFor = (key: SelectorKey): string => {
  if ('fact' in key) return `fact.${key.fact} is no number`;
  if ('attribute' in key) return `${key.attribute} is no number`;
  const meant = FACT_PATHS.some(({ name, type }) => name === key.label && type === 'number');
  return `${key.label} is a label${meant ? `, other than fact.${key.label}` : ''}`;
};

/** The fact that somebody may have meant, or those that there are below what was written. */
const factMeantBy = (typed: string): string => {
  const meant = FACT_PATHS.find(({ name }) => distance(name.toLowerCase(), typed.toLowerCase()) <= 1);
  if (meant !== undefined) return `"fact.${meant.name}"`;
  const below = FACT_PATHS.filter(({ name }) => name.startsWith(`${typed}.`));
  const names = (below.length > 0 ? below : FACT_PATHS).map(({ name }) => (below.length > 0 ? `fact.${name}` : name));
  return below.length > 0 ? `one of ${names.join(', ')}` : `after "fact." one of ${names.join(', ')}`;
};

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
    return this.comparison(this.key());
  }

  private comparison(key: SelectorKey): Selector {
    if (this.takeSymbol('=')) return { kind: 'in', key, values: [this.value(key)] };
    if (this.takeSymbol('!=')) return { kind: 'not', operand: { kind: 'in', key, values: [this.value(key)] } };
    const comparison = COMPARISONS.find((symbol) => this.next.kind === 'symbol' && this.next.text === symbol);
    if (comparison !== undefined) return this.ordered(key, comparison);
    const negated = this.takeWord('not');
    if (this.takeWord('in')) {
      const choice: Selector = { kind: 'in', key, values: this.values(key) };
      return negated ? { kind: 'not', operand: choice } : choice;
    }
    throw this.error(isNumber(key) ? '=, !=, <, <=, >, >=, "in" or "not in"' : '=, !=, "in" or "not in"');
  }

  private ordered(key: SelectorKey, comparison: SelectorComparison): Selector {
    if (!('fact' in key) || !isNumber(key)) {
      throw this.error(`=, !=, "in" or "not in" (${wordsFor(key)}, and only numbers have an order)`);
    }
    this.takeSymbol(comparison);
    return { kind: 'compare', fact: key.fact, comparison, value: Number(this.value(key)) };
  }

  private key(): SelectorKey {
    const token = this.next;
    if (token.kind !== 'word' || KEYWORDS.has(token.text)) {
      throw this.error('the name of an attribute, a fact or a label');
    }
    if (token.text.startsWith('fact.')) return this.fact(token);
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

  private fact({ text, offset }: Token): SelectorKey {
    const name = text.slice('fact.'.length);
    if (FACT_PATHS.some((path) => path.name === name)) {
      this.position += 1;
      return { fact: name };
    }
    throw new SelectorError(this.text, offset, `${factMeantBy(name)} (or "label.${text}", if a label is called so)`);
  }

  /** A value that what stands before it can have. */
  private value(key: SelectorKey): string {
    const token = this.next;
    if (token.kind !== 'word' && token.kind !== 'string') throw this.error('a value');
    const value = 'fact' in key ? this.factValue(factPathOf(key.fact), token.text) : token.text;
    this.position += 1;
    return value;
  }

  private factValue({ name, type, choices }: FactPath, text: string): string {
    if (type === 'number') {
      if (!NUMBER.test(text)) throw this.error(`a number for fact.${name}`);
      return String(Number(text));
    }
    const possible = type === 'boolean' ? ['true', 'false'] : choices;
    if (possible === null || possible.includes(text)) return text;
    throw this.error(`one of ${possible.join(', ')} for fact.${name}`);
  }

  private values(key: SelectorKey): string[] {
    this.demandSymbol('(');
    const values = [this.value(key)];
    while (this.takeSymbol(',')) values.push(this.value(key));
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
 * `fact.memoryMB >= 4000`, `has floor`, `all`. A name that is no attribute and no fact is a label; `label.x` always is.
 * @throws SelectorError with the place
 */
export const parseSelector = (text: string): Selector => new Parser(text).parse();
