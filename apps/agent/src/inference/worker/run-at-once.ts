import type { InferenceSession } from 'onnxruntime-node';

type Feeds = Parameters<InferenceSession['run']>[0];

/**
 * Runs a model without a turn of the event loop before it. ONNX Runtime's binding puts each run, which blocks the process,
 * behind `setImmediate`, so that a server can answer others in between; a worker has nobody else to serve, and a turn
 * costs more than all of its own work on a small frame. Within this call alone, `setImmediate` means "now".
 * @param wanted names of outputs
 */
export const runAtOnce = (session: InferenceSession, feeds: Feeds, wanted: readonly string[]) => {
  const { setImmediate } = globalThis;
  globalThis.setImmediate = ((work: () => void) => work()) as unknown as typeof setImmediate;
  try {
    return session.run(feeds, wanted);
  } finally {
    globalThis.setImmediate = setImmediate;
  }
};
