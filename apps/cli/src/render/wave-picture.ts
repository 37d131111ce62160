import type { RolloutSummary, WaveView } from '@aviary/protocol';
import { comparisonInWords, spanWords } from '@aviary/rollout';
import { stateBar } from './state-bar.ts';
import { printable } from './table.ts';

const WIDTH = 28;
const NARROW_WIDTH = 10;
/** Columns under which a bar is short, so that what is beside it has its place. */
const NARROW = 90;

/** How a picture is drawn. */
export interface PictureOptions {
  /** Milliseconds since 1970: times are counted down; undefined: they are named. */
  readonly now?: number | undefined;
  /** Of the terminal. */
  readonly columns?: number | undefined;
}

/** From the left: done, going wrong, under way; what is left is still to come. */
const GOOD = ['SUCCEEDED', 'ALREADY_INSTALLED', 'STAGED'] as const;
const BAD = ['FAILED', 'REJECTED', 'TIMED_OUT', 'ROLLED_BACK', 'CANCELED', 'REMOVED'] as const;
const MOVING = ['NOTIFIED', 'DOWNLOADING', 'DOWNLOADED', 'VERIFIED', 'PREPARING', 'INSTALLING', 'PROBATION'] as const;

const sum = (wave: WaveView, states: readonly (keyof WaveView['counts'])[]): number =>
  states.reduce((total, state) => total + (wave.counts[state] ?? 0), 0);

/** A wave as a bar of `width` cells, each a share of its devices. */
export const waveBar = (wave: WaveView, width: number): string =>
  stateBar({ good: sum(wave, GOOD), bad: sum(wave, BAD), moving: sum(wave, MOVING), total: wave.size }, width);

const countsOf = (wave: WaveView): string =>
  Object.entries(wave.counts)
    .map(([state, count]) => `${count} ${state.toLowerCase().replaceAll('_', ' ')}`)
    .join(', ');

const soakWords = ({ state, soakUntil }: WaveView, now: number | undefined): string | undefined => {
  if (state !== 'SOAKING' || soakUntil === null) return undefined;
  if (now === undefined) return `soaks until ${new Date(soakUntil).toISOString()}`;
  return now < soakUntil ? `soaks for ${spanWords((soakUntil - now) / 1000)} more` : 'has soaked, and is judged';
};

/** A rollout as lines of text: its state, a bar for each wave, and what its gates say. */
export const wavePicture = (rollout: RolloutSummary, { now, columns }: PictureOptions = {}): string[] => {
  const width = columns !== undefined && columns < NARROW ? NARROW_WIDTH : WIDTH;
  const lines = [
    `${rollout.release} → ${rollout.target}   ${rollout.state}${rollout.reason === null ? '' : `: ${rollout.reason}`}`,
  ];
  for (const wave of rollout.waves) {
    const name = `wave ${wave.index + 1}/${rollout.waves.length}`;
    lines.push(
      `  ${name}  ${waveBar(wave, width)}  ${wave.state.padEnd(9)}  ${String(wave.size).padStart(4)} ${wave.size === 1 ? 'device ' : 'devices'}  ${countsOf(wave)}`.trimEnd(),
    );
    const indent = ' '.repeat(name.length + 4);
    const soak = soakWords(wave, now);
    if (soak !== undefined) lines.push(`${indent}${soak}`);
    for (const gate of wave.gates) {
      lines.push(`${indent}${gate.gate}: ${gate.words}`);
      const numbers = comparisonInWords(gate);
      if (numbers !== undefined) lines.push(`${indent}  ${numbers}`);
    }
  }
  return lines.map(printable);
};
