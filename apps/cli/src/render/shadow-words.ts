import type { ShadowReport } from '@aviary/protocol';

/** How far a release agreed in shadow, as short as a table needs it. */
export const shadowCell = (shadow: ShadowReport | null): string => {
  if (shadow === null) return '-';
  const { verdict, frames, agreement } = shadow;
  if (verdict === 'not-possible') return 'not possible';
  if (agreement === null) return 'saw no frame';
  const measured = `${(agreement * 100).toFixed(1)} % of ${frames}`;
  if (verdict === 'measured' || verdict === 'agrees') return measured;
  return `${measured}, ${verdict === 'disagrees' ? 'disagrees' : 'cannot tell'}`;
};
