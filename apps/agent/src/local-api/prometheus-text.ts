/** One value of a metric. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Named {
  /** As Prometheus has it: base units, `_total` on counters. */
  readonly name: string;
  readonly help: string;
}

export type Metric =
  | (Named & { readonly type: 'counter' | 'gauge'; readonly samples: readonly Sample[] })
  | (Named & {
      readonly type: 'histogram';
      /** Cumulative, smallest bound first, without the infinite one. */
      readonly buckets: readonly { readonly le: number; readonly count: number }[];
      readonly count: number;
      readonly sum: number;
    });

export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Metrics in Prometheus' text format, version 0.0.4. One without a value is left out. */
export const prometheusText = (metrics: readonly Metric[]): string => metrics.map(textOf).join('');

const textOf = (metric: Metric): string => {
  const { name, help, type } = metric;
  const head = `# HELP ${name} ${written(help)}\n# TYPE ${name} ${type}\n`;
  if (metric.type !== 'histogram') {
    if (metric.samples.length === 0) return '';
    return head + metric.samples.map(({ labels, value }) => line(name, labels ?? {}, value)).join('');
  }
  const buckets = metric.buckets.map(({ le, count }) => line(`${name}_bucket`, { le: String(le) }, count));
  buckets.push(line(`${name}_bucket`, { le: '+Inf' }, metric.count));
  return head + buckets.join('') + line(`${name}_sum`, {}, metric.sum) + line(`${name}_count`, {}, metric.count);
};

const line = (name: string, labels: Readonly<Record<string, string>>, value: number): string => {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${written(text).replaceAll('"', '\\"')}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`;
};

const written = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
