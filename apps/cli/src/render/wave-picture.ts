import type { RolloutSummary, WaveView } from '@aviary/protocol';
import { comparisonInWords } from '@aviary/rollout';
import { stateBar } from './state-bar.ts';
import { printable } from './table.ts';

const WIDTH = 28;
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

/** A rollout as lines of text: its state, a bar for each wave, and what its gates say. */
export const wavePicture = (rollout: RolloutSummary): string[] => {
  const lines = [
    `${rollout.release} → ${rollout.target}   ${rollout.state}${rollout.reason === null ? '' : `: ${rollout.reason}`}`,
  ];
  for (const wave of rollout.waves) {
    const name = `wave ${wave.index + 1}/${rollout.waves.length}`;
    lines.push(
      `  ${name}  ${waveBar(wave, WIDTH)}  ${wave.state.padEnd(9)}  ${String(wave.size).padStart(4)} ${wave.size === 1 ? 'device ' : 'devices'}  ${countsOf(wave)}`.trimEnd(),
    );
    const indent = ' '.repeat(name.length + 4);
    for (const gate of wave.gates) {
      lines.push(`${indent}${gate.gate}: ${gate.words}`);
      const numbers = comparisonInWords(gate);
      if (numbers !== undefined) lines.push(`${indent}  ${numbers}`);
    }
  }
  return lines.map(printable);
};
