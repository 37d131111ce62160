import type { GateResult } from './wave-facts.ts';

/** A share in words: `3.5 %`. */
export const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`;

export interface Measured {
  readonly result: Omit<GateResult, 'verdict' | 'words'>;
  readonly fails: boolean;
  /** Whether it has as much as it asks for. */
  readonly enough: boolean;
  /** What was seen, as a sentence. */
  readonly words: string;
  /** What it asks for. */
  readonly minimum: string;
}

/** A count under the minimum does not speak, but when nothing more can come it is judged on what there is. */
export const judged = ({ result, fails, enough, words, minimum }: Measured, isFinal: boolean): GateResult => {
  if (!enough && (!isFinal || result.evidence === 0)) {
    return { ...result, verdict: 'not-enough', words: `cannot tell yet: ${words}; ${minimum} are needed` };
  }
  const scarce = enough ? '' : ` (fewer than the ${minimum} asked for, and no more to come)`;
  return { ...result, verdict: fails ? 'fail' : 'pass', words: `${fails ? 'stopped' : 'passed'}: ${words}${scarce}` };
};
