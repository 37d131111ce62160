import { formatSchema, runtimeSchema } from '@aviary/release';
import { z } from 'zod';
import { type TensorHead, tensorHeadSchema, tensorTypeSchema } from './tensor-type.ts';

/** The version of the protocol that `docs/sidecars.md` describes. */
export const SIDECAR_PROTOCOL = 1;

/** The descriptor on which a sidecar, and a worker that uses one, has its end of the socket. */
export const SIDECAR_DESCRIPTOR = 3;

/** What the agent asks of a sidecar, one thing after the other: it waits for the answer before it asks again. */
export type SidecarRequest =
  | { readonly kind: 'hello'; readonly id: number; readonly protocol: number }
  | {
      readonly kind: 'load';
      readonly id: number;
      /** Under which it is run; the agent counts them from 0. */
      readonly model: number;
      /** Absolute path. */
      readonly file: string;
      readonly format: string;
      /** It is what the sidecar has built out of a file of this format. */
      readonly prepared: boolean;
      /** Threads that one run on the processor may use. */
      readonly threads: number;
    }
  /** With the bytes of its tensors as its body. */
  | {
      readonly kind: 'run';
      readonly id: number;
      readonly model: number;
      readonly inputs: readonly TensorHead[];
      /** Names of the outputs that are wanted, in this order. */
      readonly outputs: readonly string[];
    }
  | {
      readonly kind: 'prepare';
      readonly id: number;
      readonly file: string;
      readonly format: string;
      readonly precision: string;
      /** Absolute path of the file that is to be written. */
      readonly into: string;
    }
  | { readonly kind: 'ping'; readonly id: number };

/** A request before it has its number. */
export type SidecarQuestion = SidecarRequest extends infer Request
  ? Request extends SidecarRequest
    ? Omit<Request, 'id'>
    : never
  : never;

/** What goes wrong at a sidecar that goes on. */
export const SIDECAR_ERROR_CODES = [
  'protocol-unsupported',
  'request-unknown',
  'model-refused',
  'model-unknown',
  'tensor-refused',
  'run-failed',
  'prepare-failed',
] as const;
export type SidecarErrorCode = (typeof SIDECAR_ERROR_CODES)[number];

const text = z.string().min(1).max(256);

/** A model's input or output. */
const portSchema = z.object({
  name: text,
  type: tensorTypeSchema,
  /** -1: any size. */
  shape: z.array(z.int().min(-1)).max(8),
  /** Of a quantised tensor: a number is `(element − zeroPoint) · scale`. */
  scale: z.number().positive().exactOptional(),
  zeroPoint: z.int().exactOptional(),
});
export type SidecarPort = z.infer<typeof portSchema>;

const id = z.int();

const helloSchema = z.object({
  kind: z.literal('hello'),
  id,
  protocol: z.int().positive(),
  name: text,
  runtime: runtimeSchema,
  /** Of the runtime. */
  version: text,
  formats: z.array(formatSchema).min(1),
  /** On what it means to run models, e.g. `edgetpu`. */
  provider: text,
  /** Only one process can use its accelerator at a time. */
  exclusive: z.boolean().exactOptional(),
  /** Formats of which it builds, on the device, what it then loads. */
  prepares: z.array(formatSchema).exactOptional(),
});
export type SidecarHello = z.infer<typeof helloSchema>;

/** What a sidecar says. Foreign code runs in it, so it is believed no more than any other edge. */
export const sidecarReplySchema = z.discriminatedUnion('kind', [
  helloSchema,
  z.object({
    kind: z.literal('loaded'),
    id,
    /** On what the model really runs; parts of it elsewhere: `edgetpu+cpu`. */
    effective: text,
    /** Why that is not what the hello has named. */
    reason: z.string().max(1024).exactOptional(),
    inputs: z.array(portSchema).min(1),
    outputs: z.array(portSchema).min(1),
  }),
  z.object({ kind: z.literal('ran'), id, outputs: z.array(tensorHeadSchema) }),
  z.object({ kind: z.literal('prepared'), id }),
  z.object({ kind: z.literal('pong'), id }),
  z.object({ kind: z.literal('error'), id, code: z.enum(SIDECAR_ERROR_CODES), words: z.string().max(4096) }),
  /** While something takes long: the one message that answers nothing. */
  z.object({ kind: z.literal('alive') }),
]);
export type SidecarReply = z.infer<typeof sidecarReplySchema>;
export type SidecarModel = Extract<SidecarReply, { kind: 'loaded' }>;
