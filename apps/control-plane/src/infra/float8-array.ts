const FLOAT8_OID = 701;
const HEADER_BYTES = 20;
const NULL_LENGTH = -1;

/**
 * Numbers as the binary form of PostgreSQL's float8[] (one dimension, counted from 1), for a parameter cast to it. As
 * text, each number would be written in digits here and read again there.
 */
export const float8Array = (values: readonly (number | null)[]): Buffer => {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + values.length * 12);
  bytes.writeInt32BE(values.length === 0 ? 0 : 1, 0);
  bytes.writeInt32BE(values.includes(null) ? 1 : 0, 4);
  bytes.writeInt32BE(FLOAT8_OID, 8);
  bytes.writeInt32BE(values.length, 12);
  bytes.writeInt32BE(1, 16);
  let offset = HEADER_BYTES;
  for (const value of values) {
    if (value === null) {
      offset = bytes.writeInt32BE(NULL_LENGTH, offset);
    } else {
      offset = bytes.writeDoubleBE(value, bytes.writeInt32BE(8, offset));
    }
  }
  // Without elements there is no dimension either: the header ends after the type.
  return bytes.subarray(0, values.length === 0 ? 12 : offset);
};
