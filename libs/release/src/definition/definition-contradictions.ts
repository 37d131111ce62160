import type { Format, Runtime } from '../archive/manifest.ts';
import { asRecord, type Contradiction } from './contradiction.ts';
import { partContradictions } from './part-contradictions.ts';
import { togetherContradictions } from './together-contradictions.ts';

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
    ...(definition.models === undefined ? partContradictions(definition, []) : []),
    ...togetherContradictions(definition),
    ...variantsOf(definition.variants, formats),
    ...trained(definition),
    ...floor(definition.rollbackFloor, definition.releaseCounter),
  ];
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

function trained({ training, task, models, output }: Record<string, unknown>): Contradiction[] {
  if (training === undefined) return [];
  if (models !== undefined || (typeof task === 'string' && task !== 'classification')) {
    return [{ path: ['training'], expected: 'it beside one model of task classification only' }];
  }
  const activation = asRecord(output)?.activation;
  if (activation === undefined || activation === 'softmax') return [];
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
