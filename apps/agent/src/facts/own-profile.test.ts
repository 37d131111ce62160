import { chooseVariant, type MatchableVariant } from '@aviary/hardware';
import { describe, expect, it } from 'vitest';
import type { BoardFixture } from '../testing/boards/board-fixture.ts';
import { BOARDS, detectionOf, writeBoard } from '../testing/boards/boards.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { detectFacts } from './detect-facts.ts';
import { ownProfile } from './own-profile.ts';
import type { ToldSidecars } from './runtimes.ts';

const makeFolder = temporaryFolders();

const engine = (id: string, tensorrt: string, computeCapability: string): MatchableVariant => ({
  id,
  runtime: 'tensorrt',
  format: 'engine',
  precision: 'fp16',
  requires: { tensorrt, computeCapability },
});
const onnx = (precision: MatchableVariant['precision']): MatchableVariant => ({
  id: `onnx-${precision}`,
  runtime: 'onnxruntime',
  format: 'onnx',
  precision,
  opset: 17,
});
const hef = (soc: string): MatchableVariant => ({
  id: `hef-${soc}`,
  runtime: 'hailort',
  format: 'hef',
  precision: 'int8',
  requires: { soc: [soc], hailort: '4.20' },
});

/** One release, made for everything. */
const RELEASE: readonly MatchableVariant[] = [
  engine('engine-orin', '10.3', '8.7'),
  engine('engine-xavier', '8.5', '7.2'),
  hef('hailo8l'),
  hef('hailo8'),
  { id: 'tflite-int8', runtime: 'tflite', format: 'tflite', precision: 'int8' },
  onnx('int8'),
  onnx('fp16'),
  onnx('fp32'),
];

const RPI_ORDER = ['onnx-int8', 'onnx-fp16', 'onnx-fp32'];

const judge = async (
  fixture: BoardFixture,
  { files = {}, sidecars }: { files?: Record<string, string>; sidecars?: ToldSidecars } = {},
) => {
  const root = await writeBoard(await makeFolder(), { ...fixture.files, ...files });
  const detection = detectionOf(fixture, root);
  const facts = await detectFacts('/nowhere', { ...detection, sidecars: sidecars ?? detection.sidecars });
  const profile = await ownProfile(facts);
  if (profile === null) throw new Error('expected a profile');
  const { considered } = chooseVariant(facts, profile, RELEASE);
  return {
    profile: profile.id,
    order: considered
      .filter(({ rank }) => rank !== null)
      .sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0))
      .map(({ variant }) => variant.id),
    refused: Object.fromEntries(
      considered
        .filter(({ rank }) => rank === null)
        .map(({ variant, rejections }) => [variant.id, rejections.map(({ code }) => code).join(' ')]),
    ),
  };
};

const NO_GPU = 'format runtime-missing compute-capability tensorrt';
const NO_HAILO = 'format runtime-missing soc hailort';

describe('from the files of a board to its variant', () => {
  it.each<[board: string, order: string[], refused: Record<string, string>]>([
    [
      'rpi4',
      RPI_ORDER,
      {
        'engine-orin': NO_GPU,
        'engine-xavier': NO_GPU,
        'hef-hailo8l': NO_HAILO,
        'hef-hailo8': NO_HAILO,
        'tflite-int8': 'format runtime-missing',
      },
    ],
    [
      'rpi5',
      RPI_ORDER,
      {
        'engine-orin': NO_GPU,
        'engine-xavier': NO_GPU,
        'hef-hailo8l': NO_HAILO,
        'hef-hailo8': NO_HAILO,
        'tflite-int8': 'format runtime-missing',
      },
    ],
    [
      'rpi5-hailo8l',
      ['hef-hailo8l', ...RPI_ORDER],
      {
        'engine-orin': NO_GPU,
        'engine-xavier': NO_GPU,
        // "HEF format is not compatible with device. Device arch: HAILO8L, HEF arch: HAILO8", says HailoRT.
        'hef-hailo8': 'soc',
        'tflite-int8': 'format runtime-missing',
      },
    ],
    [
      'rpi-coral-usb',
      ['tflite-int8', ...RPI_ORDER],
      {
        'engine-orin': NO_GPU,
        'engine-xavier': NO_GPU,
        'hef-hailo8l': NO_HAILO,
        'hef-hailo8': NO_HAILO,
      },
    ],
    [
      'coral-dev-board',
      ['tflite-int8', ...RPI_ORDER],
      {
        'engine-orin': NO_GPU,
        'engine-xavier': NO_GPU,
        'hef-hailo8l': NO_HAILO,
        'hef-hailo8': NO_HAILO,
      },
    ],
    [
      'jetson-orin-nano',
      ['engine-orin', 'onnx-fp16', 'onnx-fp32', 'onnx-int8'],
      {
        'engine-xavier': 'compute-capability tensorrt',
        'hef-hailo8l': NO_HAILO,
        'hef-hailo8': NO_HAILO,
        'tflite-int8': 'format runtime-missing',
      },
    ],
    [
      'jetson-agx-orin',
      ['engine-orin', 'onnx-fp16', 'onnx-fp32', 'onnx-int8'],
      {
        'engine-xavier': 'compute-capability tensorrt',
        'hef-hailo8l': NO_HAILO,
        'hef-hailo8': NO_HAILO,
        'tflite-int8': 'format runtime-missing',
      },
    ],
    [
      'jetson-xavier-nx',
      ['engine-xavier', 'onnx-fp16', 'onnx-fp32', 'onnx-int8'],
      {
        'engine-orin': 'compute-capability tensorrt',
        'hef-hailo8l': NO_HAILO,
        'hef-hailo8': NO_HAILO,
        'tflite-int8': 'format runtime-missing',
      },
    ],
    [
      'x86-64',
      ['onnx-fp32', 'onnx-fp16', 'onnx-int8'],
      {
        'engine-orin': NO_GPU,
        'engine-xavier': NO_GPU,
        'hef-hailo8l': NO_HAILO,
        'hef-hailo8': NO_HAILO,
        'tflite-int8': 'format runtime-missing',
      },
    ],
  ])('%s', async (board, order, refused) => {
    const fixture = BOARDS.find((one) => one.board === board);
    if (fixture === undefined) throw new Error(`expected a fixture of ${board}`);
    expect(await judge(fixture)).toEqual({ profile: board, order, refused });
  });

  it('has a fixture for each of them, with its sources', () => {
    expect(BOARDS).toHaveLength(9);
    for (const { sources } of BOARDS) {
      expect(sources.length).toBeGreaterThan(0);
      for (const source of sources) expect(source).toMatch(/^https:\/\//);
    }
  });

  it('does not use a Hailo whose driver is of another version than its library', async () => {
    const fixture = BOARDS.find(({ board }) => board === 'rpi5-hailo8l');
    if (fixture === undefined) throw new Error('expected the fixture');
    // "Driver version (4.19.0) is different from library version (4.20.0)", says HailoRT.
    const { order, refused } = await judge(fixture, {
      files: { 'sys/module/hailo_pci/version': '4.19.0\n' },
    });
    expect(order).toEqual(RPI_ORDER);
    expect(refused['hef-hailo8l']).toBe('driver-library');
  });

  it.each([
    ['jetson-orin-nano', 'engine-orin'],
    ['rpi5-hailo8l', 'hef-hailo8l'],
    ['rpi-coral-usb', 'tflite-int8'],
  ])('gives a %s no %s while its agent has no sidecar for it', async (board, variant) => {
    const fixture = BOARDS.find((one) => one.board === board);
    if (fixture === undefined) throw new Error(`expected a fixture of ${board}`);
    const { order, refused } = await judge(fixture, { sidecars: { proven: [], failed: [] } });
    expect(order).toHaveLength(3);
    expect(refused[variant]).toBe('runtime-unusable');
  });
});
