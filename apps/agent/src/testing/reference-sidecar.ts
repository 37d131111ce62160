import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProvenSidecar } from '../inference/sidecar/find-sidecars.ts';

const PROGRAM = fileURLToPath(new URL('../../sidecars/reference/reference-sidecar.ts', import.meta.url));

/** The command line of the reference sidecar, which stands for TensorRT here and runs ONNX files. */
export const referenceCommand = (...options: readonly string[]): string[] => [process.execPath, PROGRAM, ...options];

/** A sidecar of TensorRT for ONNX files, as the agent knows it once it has answered. */
export const provenSidecar = (
  command: readonly string[] = referenceCommand(),
  hello: Partial<ProvenSidecar['hello']> = {},
): ProvenSidecar => ({
  manifest: {
    name: 'reference',
    runtime: 'tensorrt',
    formats: ['onnx'],
    command: [...command],
    environment: {},
    folder: dirname(PROGRAM),
  },
  hello: {
    kind: 'hello',
    id: 1,
    protocol: 1,
    name: 'reference',
    runtime: 'tensorrt',
    version: '1.30.0',
    formats: ['onnx'],
    provider: 'cpu',
    ...hello,
  },
});
