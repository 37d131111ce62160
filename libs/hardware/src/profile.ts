import { z } from 'zod';

const runtimeName = z.enum(['onnxruntime', 'tensorrt', 'tflite', 'hailort']);

/** One hardware class, as a file of `firmware-profiles/`. */
export const profileSchema = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, 'expected words of a-z and 0-9 with hyphens, as the file is named'),
  title: z.string().min(1),
  vendor: z.string().min(1),
  /** Everything that is given must hold; a board that fits several profiles gets the one that asks for most. */
  match: z.strictObject({
    arch: z.array(z.enum(['x64', 'arm64', 'arm'])).min(1),
    deviceTree: z.array(z.string()).min(1).optional().describe('any of these among the board’s compatible strings'),
    accelerator: z
      .strictObject({ kind: z.enum(['gpu', 'tpu', 'npu']), ids: z.array(z.string()).min(1) })
      .optional()
      .describe('any accelerator of this kind with one of these vendor:device ids'),
  }),
  memoryMB: z.int().positive().describe('of the smallest board that is sold'),
  soc: z
    .array(z.string())
    .min(1)
    .optional()
    .describe('chips that such boards have, as releases name them in `requires.soc`, e.g. tegra234, hailo8l'),
  computeCapability: z.string().optional().describe('CUDA compute capability of the GPU on the chip, e.g. 8.7'),
  /** Preferred first. */
  runtimes: z
    .array(
      z.strictObject({
        runtime: runtimeName,
        formats: z.array(z.enum(['onnx', 'engine', 'tflite', 'hef'])).min(1),
        precisions: z
          .array(z.enum(['fp32', 'fp16', 'int8']))
          .min(1)
          .describe('preferred first'),
        adapter: z.enum(['gpu', 'tpu', 'npu']).optional().describe('the kind of accelerator that it needs'),
      }),
    )
    .min(1),
  throttleC: z.number().optional().describe('degrees Celsius from which the board slows itself down'),
  sources: z.array(z.url()).min(1).describe('where these facts stand'),
});

export type Profile = z.output<typeof profileSchema>;
export type ProfileRuntime = Profile['runtimes'][number];

/** A profile file that does not say what a profile says; every wrong place at once. */
export class ProfileError extends Error {
  readonly code = 'profile-invalid';
}

/** @throws ProfileError */
export const parseProfile = (value: unknown): Profile => {
  const result = profileSchema.safeParse(value);
  if (result.success) return result.data;
  throw new ProfileError(`This is no firmware profile:\n${z.prettifyError(result.error)}`);
};
