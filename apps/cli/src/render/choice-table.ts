import type { DeviceChoice } from '@aviary/protocol';
import { renderTable } from './table.ts';

type Considered = DeviceChoice['considered'][number];

/** Those that can run first, the best on top; then those that cannot, by their names. */
const inOrder = (a: Considered, b: Considered): number =>
  (a.rank ?? Number.POSITIVE_INFINITY) - (b.rank ?? Number.POSITIVE_INFINITY) || (a.variant < b.variant ? -1 : 1);

const rowsOf = ({ variant, runtime, format, precision, rank, behind, rejections }: Considered): string[][] => {
  const what = [rank === null ? '-' : String(rank), variant, runtime, format, precision];
  if (rank !== null) return [[...what, rank === 1 ? 'chosen' : 'can run', rank === 1 ? '' : `${behind}`]];
  return rejections.map(({ code, words }, index) => [...(index === 0 ? what : ['', '', '', '', '']), code, words]);
};

/** Each variant of a choice with what became of it, a line for each reason. */
export const renderChoice = ({ considered }: Pick<DeviceChoice, 'considered'>): string =>
  renderTable(
    ['rank', 'variant', 'runtime', 'format', 'precision', 'verdict', 'why'],
    [...considered].sort(inOrder).flatMap(rowsOf),
  );
