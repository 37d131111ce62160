import { z } from 'zod';

const text = z.string().max(256);

/** Something on the board that can run models faster than its processor. */
export const acceleratorSchema = z.object({
  kind: z.enum(['gpu', 'tpu', 'npu']),
  vendor: text,
  model: text,
  bus: z.enum(['pci', 'usb', 'soc']),
  /** `vendor:device` in hex, as `lspci -n` and `lsusb` write it. */
  id: text.optional(),
  driver: text.optional().describe('version of the kernel driver'),
  library: text.optional().describe('version of the library through which programs use it'),
  architecture: text
    .optional()
    .describe('what models are compiled for, where one id stands for several: hailo8, hailo8l'),
  computeCapability: text.optional().describe('CUDA only, e.g. 8.7'),
  memoryMB: z.int().positive().optional(),
});

/** A program that runs models, as it is installed on the device. */
export const runtimeFactSchema = z.object({
  name: z.enum(['onnxruntime', 'tensorrt', 'tflite', 'hailort']),
  version: text,
  providers: z.array(text).default([]).describe('of ONNX Runtime: what this build offers, e.g. cpu, cuda'),
  usable: z.boolean().optional().describe('false: it is installed, and this agent cannot run models with it'),
  prepares: z
    .array(z.enum(['onnx', 'engine', 'tflite', 'hef']))
    .optional()
    .describe('formats of which this agent builds, on the board, what the runtime loads'),
});

/** A sidecar that the agent has found on its board, and that does not run there. */
export const failedSidecarSchema = z.object({
  name: text,
  runtime: runtimeFactSchema.shape.name.optional(),
  problem: text.describe('why it does not run, in its own words'),
});

/** What an agent finds out about its board. Everything that a board may not tell is optional. */
export const deviceFactsSchema = z
  .object({
    agentVersion: text,
    arch: z.enum(['x64', 'arm64', 'arm']),
    os: text.describe('e.g. Debian GNU/Linux 12'),
    kernel: text,
    glibc: text.optional(),
    l4t: text.optional().describe('NVIDIA Jetson Linux, e.g. 36.4.3'),
    cuda: text.optional().describe('CUDA toolkit or runtime, e.g. 12.6.68'),
    cpu: z.object({ model: text, cores: z.int().positive() }),
    memoryMB: z.int().positive(),
    timeZone: text.optional().describe('of the IANA database, e.g. Europe/Paris'),
    diskFreeMB: z.int().nonnegative().optional(),
    deviceTree: z.object({ model: text, compatible: z.array(text) }).optional(),
    revision: text.optional().describe('revision code of a Raspberry Pi, e.g. d04170'),
    accelerators: z.array(acceleratorSchema),
    runtimes: z.array(runtimeFactSchema),
    failedSidecars: z.array(failedSidecarSchema).optional(),
    simulated: z.boolean().optional().describe('these facts were given to the agent, not found by it'),
  })
  .meta({ id: 'DeviceFacts' });

export type DeviceFacts = z.output<typeof deviceFactsSchema>;
export type Accelerator = z.output<typeof acceleratorSchema>;
export type RuntimeFact = z.output<typeof runtimeFactSchema>;
