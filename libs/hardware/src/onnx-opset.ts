/**
 * The newest operator set of ONNX that a release of ONNX Runtime implements, by its minor version: the project's table of
 * compatibility (https://onnxruntime.ai/docs/reference/compatibility.html). It ends with 1.20.
 */
const NEWEST: Readonly<Record<number, number>> = {
  8: 14,
  9: 15,
  10: 15,
  11: 16,
  12: 17,
  13: 17,
  14: 18,
  15: 19,
  16: 19,
  17: 20,
  18: 21,
  19: 21,
  20: 21,
};

/** @returns undefined for a release that the table does not have: nobody guesses what it can do */
export const newestOpset = (onnxRuntime: string): number | undefined => {
  const [, minor] = /^1\.(\d+)(?:\.|$)/.exec(onnxRuntime) ?? [];
  return minor === undefined ? undefined : NEWEST[Number(minor)];
};
