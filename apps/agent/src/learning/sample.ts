/** What the device has learnt about one frame: never a picture, and it never leaves the device. */
export interface Sample {
  /** Of the frame. A later sample of the same frame takes the place of an earlier one: somebody has corrected it. */
  readonly id: string;
  /** The right answer. Its name and not its index: releases of one backbone may order their labels differently. */
  readonly label: string;
  /** ms since 1970, when it was labelled. */
  readonly at: number;
  /** The input of the release's head. */
  readonly features: Float32Array;
}

const FIXED_BYTES = 12;

/** f64 `at`, u16 lengths of id and label, both in UTF-8, then the features as float32; all little endian. */
export const encodeSample = ({ id, label, at, features }: Sample): Buffer => {
  const [idBytes, labelBytes] = [Buffer.from(id), Buffer.from(label)];
  const fixed = Buffer.alloc(FIXED_BYTES);
  fixed.writeDoubleLE(at, 0);
  fixed.writeUInt16LE(idBytes.length, 8);
  fixed.writeUInt16LE(labelBytes.length, 10);
  return Buffer.concat([fixed, idBytes, labelBytes, floatBytes(features)]);
};

/** @returns undefined when the bytes are no sample of this many features */
export const decodeSample = (bytes: Buffer, features: number): Sample | undefined => {
  if (bytes.length < FIXED_BYTES) return undefined;
  const idEnd = FIXED_BYTES + bytes.readUInt16LE(8);
  const labelEnd = idEnd + bytes.readUInt16LE(10);
  if (bytes.length !== labelEnd + features * 4) return undefined;
  return {
    id: bytes.toString('utf8', FIXED_BYTES, idEnd),
    label: bytes.toString('utf8', idEnd, labelEnd),
    at: bytes.readDoubleLE(0),
    features: floatsOf(bytes.subarray(labelEnd)),
  };
};

/** The bytes of floats, little endian as every board that Node runs on; not copied. */
export const floatBytes = (values: Float32Array): Buffer =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/** Floats of bytes, copied: bytes in the middle of a file do not begin where floats may. */
export const floatsOf = (bytes: Uint8Array): Float32Array =>
  new Float32Array(new Uint8Array(bytes).buffer, 0, bytes.length >> 2);
