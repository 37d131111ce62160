import type { RoundDetail, RoundParticipant } from '@aviary/protocol';
import { spanWords } from '@aviary/rollout';
import { stateBar } from './state-bar.ts';
import { printable } from './table.ts';

const WIDTH = 28;
const PARTS = ['train', 'evaluate'] as const;
const STATES = ['REPORTED', 'WORKING', 'INVITED', 'REFUSED', 'DECLINED', 'SILENT'] as const;

const deadlineOf = ({ deadlineAt }: RoundDetail, now: number | undefined): string => {
  if (deadlineAt === null) return '';
  return now === undefined
    ? `, until ${new Date(deadlineAt).toISOString()}`
    : `, ${spanWords((deadlineAt - now) / 1000)} left`;
};

const partLine = (part: (typeof PARTS)[number], all: readonly RoundParticipant[]): string[] => {
  const mine = all.filter((participant) => participant.part === part);
  if (mine.length === 0) return [];
  const count = (...states: readonly (typeof STATES)[number][]) =>
    mine.filter(({ state }) => states.includes(state)).length;
  const bar = stateBar(
    {
      good: count('REPORTED'),
      bad: count('REFUSED', 'DECLINED', 'SILENT'),
      moving: count('WORKING'),
      total: mine.length,
    },
    WIDTH,
  );
  const words = STATES.filter((state) => count(state) > 0).map((state) => `${count(state)} ${state.toLowerCase()}`);
  const devices = mine.length === 1 ? 'device ' : 'devices';
  return [`  ${part.padEnd(8)}  ${bar}  ${String(mine.length).padStart(4)} ${devices}  ${words.join(', ')}`];
};

const aggregateLine = ({ aggregate }: RoundDetail): string[] => {
  if (aggregate === null) return [];
  const { updates, samples, norm, clipNorm, clipped } = aggregate;
  const shortened = clipped === 0 ? '' : `, ${clipped} shortened to ${clipNorm.toPrecision(3)}`;
  return [`  sum       of ${updates} updates on ${samples} samples, length ${norm.toPrecision(3)}${shortened}`];
};

const nextLine = ({ state, candidate, id }: RoundDetail): string[] => {
  if (candidate !== null) return [`  published as ${candidate}`];
  if (state !== 'COMMITTED') return [];
  return [
    `  build the release with: aviary fed candidate ${id.slice(0, 8)} --from FOLDER-OF-THE-BASE --version VERSION --out FOLDER`,
  ];
};

/**
 * A federated round as lines of text: its state and deadline, a bar for each part, what came of it.
 * @param now counts the deadline down; undefined: it is named
 */
export const roundPicture = (round: RoundDetail, now: number | undefined): string[] => {
  const { release, target, state, reason, selected, updates, goal, refused, evaluation } = round;
  const why = reason === null ? '' : `: ${reason}`;
  const turnedAway = refused === 0 ? '' : `, ${refused} refused`;
  return [
    `${release} → ${target}   ${state}${deadlineOf(round, now)}${why}`,
    `  ${updates} of ${goal} updates from ${selected} selected devices${turnedAway}`,
    ...PARTS.flatMap((part) => partLine(part, round.participants)),
    ...aggregateLine(round),
    ...(evaluation === null ? [] : [`  ${evaluation.words}`]),
    ...nextLine(round),
  ].map(printable);
};
