import './browser-language.ts';
import 'uplot/dist/uPlot.min.css';
import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import classes from './series-chart.module.css';

export interface Series {
  readonly label: string;
  /** A colour of the theme, as a CSS variable. */
  readonly color: string;
  /** One for each time; null where there is none. */
  readonly values: readonly (number | null)[];
  /** Points without a line. */
  readonly dots?: boolean;
}

interface Props {
  /** What is shown, for those who cannot see it. */
  readonly label: string;
  readonly unit: string;
  /** Milliseconds since 1970, rising. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly height?: number;
}

const shown = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toPrecision(2);

const newest = ({ values }: Series): number | undefined => values.findLast((value) => value !== null) ?? undefined;

const clock = (seconds: number): string =>
  new Date(seconds * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });

/** Reads `--name` as the browser sees it now. */
const resolved = (element: Element, variable: string): string =>
  getComputedStyle(element).getPropertyValue(variable).trim();

const axes = (element: Element, unit: string): uPlot.Axis[] => {
  const axis = {
    stroke: resolved(element, '--mantine-color-dimmed'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: resolved(element, '--av-line'), width: 1 },
    ticks: { show: false },
  };
  return [
    { ...axis, size: 26, space: 70, values: (_: uPlot, ticks: number[]) => ticks.map(clock) },
    { ...axis, size: 58, values: (_: uPlot, ticks: number[]) => ticks.map((tick) => `${tick} ${unit}`) },
  ];
};

const line = (element: Element, { label, color, dots = false }: Series): uPlot.Series => {
  const stroke = resolved(element, color);
  return {
    label,
    stroke,
    width: dots ? 0 : 1.6,
    spanGaps: true,
    points: dots ? { show: true, size: 5, fill: stroke, stroke } : { show: false },
  };
};

/** Series over time, drawn by uPlot; its newest values stand above it as text. */
export const SeriesChart = ({ label, unit, times, series, height = 190 }: Props) => {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const scheme = useComputedColorScheme('light');
  const latest = useRef({ series, times });
  latest.current = { series, times };
  const shape = `${scheme} ${unit} ${height} ${series.map((each) => `${each.label} ${each.color}`).join(' ')}`;

  // biome-ignore lint/correctness/useExhaustiveDependencies: drawn anew only when its shape or its colours change
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const options: uPlot.Options = {
      width: element.clientWidth,
      height,
      legend: { show: false },
      cursor: { drag: { x: false, y: false } },
      scales: { y: { range: (_, min, max) => [Math.min(0, min * 1.15), max > 0 ? max * 1.15 : 1] } },
      axes: axes(element, unit),
      series: [{}, ...latest.current.series.map((each) => line(element, each))],
    };
    const made = new uPlot(options, dataOf(latest.current), element);
    plot.current = made;
    const resize = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(dataOf({ times, series })), [times, series]);

  const values = series.map((each) => ({ ...each, newest: newest(each) }));
  const spoken = values.flatMap(({ label: name, newest: value }) =>
    value === undefined ? [] : [`${name} ${shown(value)} ${unit}`],
  );
  return (
    <div>
      <div className={classes.legend}>
        {values.map(({ label: name, color, newest: value }) => (
          <span key={name}>
            <span className={classes.key} style={{ background: `var(${color})` }} aria-hidden />
            {name} <span className={classes.value}>{value === undefined ? '–' : `${shown(value)} ${unit}`}</span>
          </span>
        ))}
      </div>
      <div
        ref={host}
        className={classes.chart}
        style={{ minHeight: height }}
        role="img"
        aria-label={`${label}. Newest: ${spoken.join(', ') || 'nothing yet'}.`}
      />
    </div>
  );
};

const dataOf = ({ times, series }: Pick<Props, 'times' | 'series'>): uPlot.AlignedData => [
  times.map((time) => time / 1000),
  ...series.map(({ values }) => [...values]),
];
