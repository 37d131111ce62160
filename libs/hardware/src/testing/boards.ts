import { exampleFacts } from '../example-facts.ts';
import { type Profile, parseProfile } from '../profile.ts';
import type { MatchableVariant } from '../variant-filter.ts';

/** The profile of some board with an Arm processor, of which only the runtimes matter. */
export const profile = (runtimes: readonly Partial<Profile['runtimes'][number]>[]): Profile =>
  parseProfile({
    id: 'board',
    title: 'A board',
    vendor: 'Somebody',
    match: { arch: ['arm64'] },
    memoryMB: 1024,
    runtimes,
    sources: ['https://example.com/datasheet'],
  });

/** Runs engines that were built elsewhere. */
export const jetson = profile([
  { runtime: 'tensorrt', formats: ['engine'], precisions: ['int8', 'fp16'], adapter: 'gpu' },
  { runtime: 'onnxruntime', formats: ['onnx'], precisions: ['fp16', 'fp32'] },
]);
/** Builds its engines itself. */
export const building = profile([
  { runtime: 'tensorrt', formats: ['engine', 'onnx'], precisions: ['fp16'], adapter: 'gpu' },
]);
export const hailo = profile([
  { runtime: 'hailort', formats: ['hef'], precisions: ['int8'], adapter: 'npu' },
  { runtime: 'onnxruntime', formats: ['onnx'], precisions: ['int8', 'fp32'] },
]);

export const onnx = (
  id: string,
  precision: MatchableVariant['precision'] = 'fp32',
  requires = {},
): MatchableVariant => ({
  id,
  runtime: 'onnxruntime',
  format: 'onnx',
  precision,
  requires,
});
export const engine = (id: string, requires: MatchableVariant['requires'] = {}): MatchableVariant => ({
  id,
  runtime: 'tensorrt',
  format: 'engine',
  precision: 'fp16',
  requires,
});
export const hef: MatchableVariant = { id: 'hef', runtime: 'hailort', format: 'hef', precision: 'int8' };

export const orin = exampleFacts('jetson-orin-nano');
export const rpi5 = exampleFacts('rpi5');
export const withHailo = exampleFacts('rpi5-hailo8l');
