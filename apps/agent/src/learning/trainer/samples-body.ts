/** Labelled features as the trainer works with them: one row of features and one label's index per sample. */
export interface LabelledFeatures {
  readonly labels: Uint32Array;
  /** `[samples × features]`, row by row. */
  readonly features: Float32Array;
}

/** Labels, then features, then whatever else; all of four bytes, little endian. */
export const encodeBody = ({ labels, features }: LabelledFeatures, rest: Float32Array): Buffer =>
  Buffer.concat([labels, features, rest].map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength)));

/**
 * Reads what `encodeBody` wrote.
 * @param features values per sample
 * @throws RangeError when the bytes are fewer than the samples need
 */
export const decodeBody = (
  body: Uint8Array,
  samples: number,
  features: number,
): LabelledFeatures & { readonly rest: Float32Array } => {
  // Copied where it does not begin where numbers of four bytes may.
  const bytes = body.byteOffset % 4 === 0 ? body : new Uint8Array(body);
  const at = (offset: number): number => bytes.byteOffset + offset * 4;
  const restAt = samples * (1 + features);
  return {
    labels: new Uint32Array(bytes.buffer, at(0), samples),
    features: new Float32Array(bytes.buffer, at(samples), samples * features),
    rest: new Float32Array(bytes.buffer, at(restAt), (bytes.byteLength >> 2) - restAt),
  };
};
