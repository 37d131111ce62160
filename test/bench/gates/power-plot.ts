import { MARGIN } from './simulated-rollout.ts';

/** Shares of stopped rollouts by harm, for one σ and one number of pairs. */
export interface PowerCurve {
  readonly pairs: number;
  readonly points: readonly { readonly harm: number; readonly stopped: number }[];
}

export interface PowerPanel {
  readonly sigma: number;
  readonly curves: readonly PowerCurve[];
}

const PANEL = { width: 220, height: 200, gap: 34, left: 58, top: 74 };
const MOST_HARM = 0.75;
const HARM_TICKS = [0, 0.15, 0.3, 0.45, 0.6, 0.75];
const SHARE_TICKS = [0, 0.25, 0.5, 0.75, 1];

/** From few pairs to many; in the dark the many are the brightest. */
const STYLE = `
    .ground { fill: #ffffff } .ink { fill: #1f2328 } .soft { fill: #59636e } .grid { stroke: #d8dee4 } .margin { stroke: #b35900 } .marked { fill: #b35900 }
    .c0 { stroke: #8fbdee } .c1 { stroke: #4b93df } .c2 { stroke: #1f63b5 } .c3 { stroke: #0b3566 }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #0d1117 } .ink { fill: #f0f6fc } .soft { fill: #9198a1 } .grid { stroke: #2f353d } .margin { stroke: #f0a050 } .marked { fill: #f0a050 }
      .c0 { stroke: #4077b8 } .c1 { stroke: #6aa5ea } .c2 { stroke: #a3cbf7 } .c3 { stroke: #e6f2ff }
    }
    text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif } .title { font-weight: 600; font-size: 13px } .marked { font-size: 11px }
    path { fill: none; stroke-width: 2.25; stroke-linejoin: round } line { stroke-width: 1 }`;

const percent = (share: number): string => `${Math.round(share * 100)} %`;

const panelAt = (panel: PowerPanel, index: number): string => {
  const left = PANEL.left + index * (PANEL.width + PANEL.gap);
  const x = (harm: number): string => (left + (harm / MOST_HARM) * PANEL.width).toFixed(1);
  const y = (share: number): string => (PANEL.top + (1 - share) * PANEL.height).toFixed(1);
  const right = left + PANEL.width;
  const bottom = PANEL.top + PANEL.height;
  const rows = SHARE_TICKS.map((share) => {
    const line = `<line class="grid" x1="${left}" x2="${right}" y1="${y(share)}" y2="${y(share)}"/>`;
    const label = `<text class="soft" x="${left - 8}" y="${y(share)}" dy="4" text-anchor="end">${percent(share)}</text>`;
    return index === 0 ? line + label : line;
  });
  const columns = HARM_TICKS.map(
    (harm) =>
      `<text class="soft" x="${x(harm)}" y="${bottom + 18}" text-anchor="middle">${harm === 0 ? '' : '+'}${Math.round(harm * 100)}</text>`,
  );
  const curves = panel.curves.map(({ points }, curve) => {
    const shown = points.filter(({ harm }) => harm <= MOST_HARM);
    const path = shown.map(({ harm, stopped }, step) => `${step === 0 ? 'M' : 'L'}${x(harm)} ${y(stopped)}`).join(' ');
    return `<path class="c${curve}" d="${path}"/>`;
  });
  return [
    `<text class="ink title" x="${left}" y="${PANEL.top - 14}">σ of a pair ${panel.sigma}</text>`,
    ...rows,
    `<line class="margin" stroke-dasharray="4 3" x1="${x(MARGIN)}" x2="${x(MARGIN)}" y1="${PANEL.top}" y2="${bottom}"/>`,
    `<text class="marked" x="${x(MARGIN)}" y="${PANEL.top + 12}" dx="-4" text-anchor="end">margin</text>`,
    ...columns,
    ...curves,
  ].join('\n  ');
};

/** The plot as an SVG that can be read on a light and on a dark page. */
export const powerPlot = (panels: readonly PowerPanel[]): string => {
  const width = PANEL.left + panels.length * (PANEL.width + PANEL.gap) - PANEL.gap + 24;
  const height = PANEL.top + PANEL.height + 52;
  const sizes = panels[0]?.curves.map(({ pairs }) => pairs) ?? [];
  const legend = sizes.map((pairs, curve) => {
    const left = PANEL.left + 260 + curve * 92;
    return `<path class="c${curve}" d="M${left} 24 L${left + 22} 24"/><text class="ink" x="${left + 28}" y="28">${pairs} pairs</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title">
  <title id="title">Share of rollouts that the comparison stops, by how much worse the release is, for ${sizes.join(', ')} pairs</title>
  <style>${STYLE}
  </style>
  <rect class="ground" width="${width}" height="${height}" rx="8"/>
  <text class="ink title" x="${PANEL.left}" y="28">Rollouts stopped, level 0.01</text>
  ${legend.join('\n  ')}
  ${panels.map(panelAt).join('\n  ')}
  <text class="soft" x="${PANEL.left}" y="${height - 12}">how much worse the release is, in %</text>
</svg>
`;
};
