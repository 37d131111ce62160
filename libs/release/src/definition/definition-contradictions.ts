import { channelCount, type Format, type Runtime } from '../archive/manifest.ts';

/** Something that is wrong only beside something else. */
export interface Contradiction {
  readonly path: readonly PropertyKey[];
  readonly expected: string;
  readonly received?: string;
  readonly hint?: string;
}

/**
 * Contradictions between parts of a definition. Takes the content as it came, whatever else is wrong with it, so that
 * they are named together with all other problems; parts of the wrong type are passed over here.
 */
export function findContradictions(
  content: unknown,
  formats: Readonly<Record<Runtime, readonly [Format, ...Format[]]>>,
): Contradiction[] {
  const definition = asRecord(content);
  if (!definition) return [];
  return [
    ...uniqueLabels(definition.labels),
    ...channels(asRecord(definition.input)),
    ...variantsOf(definition.variants, formats),
    ...trained(definition.training, asRecord(definition.output)),
    ...floor(definition.rollbackFloor, definition.releaseCounter),
  ];
}

function uniqueLabels(labels: unknown): Contradiction[] {
  if (!Array.isArray(labels)) return [];
  return labels.flatMap((label: unknown, index) =>
    labels.indexOf(label) < index ? [{ path: ['labels', index], expected: 'each label once' }] : [],
  );
}

function channels(input: Record<string, unknown> | undefined): Contradiction[] {
  const color = input?.color ?? 'rgb';
  if (!input || (color !== 'gray' && color !== 'rgb' && color !== 'bgr')) return [];
  const count = channelCount(color);
  return (['mean', 'std'] as const).flatMap((key) => {
    const values = input[key];
    // Other lengths than 1 and 3 are refused by the schema already.
    return Array.isArray(values) && (values.length === 1 || values.length === 3) && values.length !== count
      ? [{ path: ['input', key], expected: `${count} ${count === 1 ? 'value' : 'values'} for color ${color}` }]
      : [];
  });
}

function variantsOf(
  content: unknown,
  formats: Readonly<Record<Runtime, readonly [Format, ...Format[]]>>,
): Contradiction[] {
  if (!Array.isArray(content) || content.length === 0) return [];
  const found: Contradiction[] = [];
  const seen = new Map<string, number>();
  let portable = false;
  let readable = true;
  content.forEach((entry: unknown, index) => {
    const variant = asRecord(entry);
    const runtime = variant?.runtime ?? 'onnxruntime';
    if (!variant || typeof runtime !== 'string' || !isRuntime(runtime, formats)) {
      readable = false;
      return;
    }
    const allowed = formats[runtime];
    const format = variant.format ?? allowed[0];
    if (typeof format === 'string' && isFormat(format, formats) && !allowed.includes(format)) {
      found.push({ path: ['variants', index, 'format'], expected: `${allowed.join(' or ')} for runtime ${runtime}` });
    }
    if (runtime === 'onnxruntime' && format === 'onnx' && variant.requires === undefined) portable = true;
    const requires = asRecord(variant.requires) ?? {};
    if (format === 'engine' && !('tensorrt' in requires && 'computeCapability' in requires)) {
      found.push({
        path: ['variants', index, 'requires'],
        expected: 'tensorrt and computeCapability, for an engine runs on no others',
      });
    }
    const id = variant.id ?? `${String(format)}-${String(variant.precision ?? 'fp32')}`;
    if (typeof id !== 'string') return;
    const first = seen.get(id);
    if (first === undefined) seen.set(id, index);
    else {
      found.push({
        path: variant.id === undefined ? ['variants', index] : ['variants', index, 'id'],
        expected: 'each variant id once',
        received: `"${id}", which is variants[${first}] already`,
        ...(variant.id === undefined ? { hint: 'give it an id of its own' } : {}),
      });
    }
  });
  if (!portable && readable) {
    found.push({
      path: ['variants'],
      expected: 'at least one portable variant (runtime onnxruntime, format onnx, no requires)',
      received: 'none',
      hint: 'it is what a board runs when nothing fits it better',
    });
  }
  return found;
}

function trained(training: unknown, output: Record<string, unknown> | undefined): Contradiction[] {
  if (training === undefined || output?.activation !== 'none') return [];
  return [
    {
      path: ['output', 'activation'],
      expected: 'softmax, for with training the head is trained on what softmax makes of its output',
    },
  ];
}

function floor(rollbackFloor: unknown, releaseCounter: unknown): Contradiction[] {
  if (typeof rollbackFloor !== 'number' || typeof releaseCounter !== 'number' || rollbackFloor <= releaseCounter)
    return [];
  return [
    { path: ['rollbackFloor'], expected: `at most releaseCounter ${releaseCounter}: a release may not forbid itself` },
  ];
}

function isRuntime(text: string, formats: Readonly<Record<Runtime, unknown>>): text is Runtime {
  return Object.hasOwn(formats, text);
}

function isFormat(text: string, formats: Readonly<Record<Runtime, readonly Format[]>>): text is Format {
  return Object.values(formats).some((list) => list.some((format) => format === text));
}

function asRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
