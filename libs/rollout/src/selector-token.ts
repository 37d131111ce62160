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

export interface Token {
  readonly kind: 'word' | 'string' | 'symbol' | 'end';
  readonly text: string;
  readonly offset: number;
}

const TOKEN = /\s*(?:(!=|>=|<=|=|>|<|\(|\)|,)|"([^"]*)"|'([^']*)'|([A-Za-z0-9_][A-Za-z0-9_.:@/+-]*))/y;

/** Cuts a selector into its words, texts in quotes, and signs; the last one is the end. @throws SelectorError */
export const tokenize = (text: string): Token[] => {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  for (;;) {
    const start = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) {
      const offset = start + (/^\s*/.exec(text.slice(start))?.[0].length ?? 0);
      if (offset < text.length)
        throw new SelectorError(text, offset, 'a name, a value in quotes, or one of = != < <= > >= ( ) ,');
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
