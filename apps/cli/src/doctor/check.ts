/** One thing that was looked at, and how it was found. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What was found. */
  readonly words: string;
  /** What to do when it is not well. */
  readonly advice?: string;
}

export const passed = (name: string, words: string): Check => ({ name, ok: true, words });
export const failed = (name: string, words: string, advice: string): Check => ({ name, ok: false, words, advice });

/** What an error says, in a line without its last full stop. */
export const wordsOf = (error: unknown): string => {
  const words = error instanceof Error ? error.message : String(error);
  return words
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim()
    .replace(/\.$/, '');
};
