import type { EffectiveProvider } from '../worker-handle.ts';
import type { OutputTensor } from './model-outputs.ts';

/** What a model takes. */
export interface ModelInput {
  readonly name: string;
  readonly isTensor: boolean;
  /** Of its elements, as the worker has to give them. */
  readonly type: string;
  /** A size that is no number may be any. */
  readonly shape: readonly (number | string)[];
}

/** A run of a model on values that were given once, and may have been overwritten since. */
export type Run = (wanted: readonly string[]) => Promise<Readonly<Record<string, OutputTensor>>>;

/** One model in memory, in whatever runs it. */
export interface ModelSession {
  readonly provider: EffectiveProvider;
  readonly inputs: readonly ModelInput[];
  readonly outputNames: readonly string[];
  /** A compiler has made the model out of another, and may have put the channels of a picture elsewhere. */
  readonly isCompiled: boolean;
  /**
   * Makes a run of the model on one input, once for all pictures of a size.
   * @param values are read at each run, and overwritten between two
   * @returns the run; it throws FrameError `frame-failed` when it has no result, SidecarLostError when there will be none any more
   */
  runOn(input: string, values: Float32Array, shape: readonly number[]): Run;
  /** Whether what runs it still answers. @throws SidecarLostError */
  ping(): Promise<void>;
  release(): Promise<void>;
}
