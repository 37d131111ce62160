import type { RolloutPreview } from '@aviary/protocol';
import { spanWords } from '@aviary/rollout';
import { printable, renderTable } from './table.ts';

/** More than this many sites nobody reads; `-o json` has them all. */
const MOST_SITES = 10;

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`;

const strataWords = (strata: Readonly<Record<string, number>>): string =>
  Object.entries(strata)
    .map(([stratum, count]) => `${count} ${stratum || 'without profile'}`)
    .join(', ');

const wavesTable = ({ waves, forecast }: RolloutPreview): string =>
  renderTable(
    ['wave', 'adds', 'then', 'passed after', 'of'],
    waves.map(({ index, size, cumulative, strata }) => {
      const passed = forecast.waves.find((wave) => wave.index === index);
      return [
        String(index + 1),
        String(size),
        String(cumulative),
        passed === undefined ? '-' : spanWords(passed.seconds),
        size === 0 ? 'none: it will be skipped' : strataWords(strata),
      ];
    }),
  );

const forecastLines = ({ forecast }: RolloutPreview): string[] => [
  forecast.seconds === null
    ? 'It takes more than a year.'
    : `It finishes in ${spanWords(forecast.seconds)} at the earliest.`,
  ...(forecast.leavesOut.length === 0 ? [] : ['Not counted:', ...forecast.leavesOut.map((what) => `  ${what}`)]),
];

/** One line for each rollout under way that wants some of the same devices: who gets them. */
export const overlapLines = (overlaps: RolloutPreview['overlaps']): string[] =>
  overlaps.map(({ rolloutId, release, devices, priority, outranked }) =>
    printable(
      `Warning: rollout ${rolloutId} of ${release} (priority ${priority}) is under way on ${devices} of these devices; ${
        outranked ? 'this one outranks it and takes them' : 'it outranks this one and keeps those that it takes'
      }.`,
    ),
  );

const comparisonLines = ({ comparisons, control }: RolloutPreview): string[] => [
  ...(Object.keys(control).length === 0 ? [] : ['', `Held back until the last wave: ${strataWords(control)}`]),
  ...comparisons.map(({ gate, words }) => `  ${gate}: ${words}`),
];

const sitesTable = ({ sites }: RolloutPreview): string[] => {
  const shown = sites.slice(0, MOST_SITES);
  const rows = shown.map(({ site, devices, bytes }) => [site || '(no site)', String(devices), megabytes(bytes)]);
  const more = sites.length - shown.length;
  return [
    '',
    renderTable(['site', 'devices', 'to download'], rows),
    ...(more > 0 ? [`and ${more} more; -o json has them all`] : []),
  ];
};

/** What a dry run found, as lines of text. */
export const previewPicture = (preview: RolloutPreview): string[] => [
  printable(
    `${preview.release} to ${preview.devices} devices, ${megabytes(preview.bytes)} in all. Nothing was created.`,
  ),
  ...overlapLines(preview.overlaps),
  '',
  wavesTable(preview),
  '',
  ...forecastLines(preview).map(printable),
  ...comparisonLines(preview).map(printable),
  '',
  renderTable(
    ['profile', 'devices', 'variant', 'because'],
    preview.variants.map(({ profile, devices, variant, reason }) => [
      profile,
      String(devices),
      variant ?? 'none',
      reason,
    ]),
  ),
  ...sitesTable(preview),
];
