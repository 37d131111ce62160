/**
 * The Protocol Buffers wire format, as far as ONNX files need it. A message is kept as the list of its fields with
 * their own bytes, so that writing back what was read gives the same file, unknown fields included.
 * Source: protobuf.dev/programming-guides/encoding.
 */
export type WireValue = bigint | Uint8Array;

export interface Field {
  readonly number: number;
  /** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  readonly type: 0 | 1 | 2 | 5;
  /** Of a varint its number, else the bytes of the value. */
  readonly value: WireValue;
  /** As it stood in the file, key and length included; absent in a new field. */
  readonly raw?: Uint8Array;
}

/** These bytes are no Protocol Buffers message. */
export class WireError extends Error {
  readonly code = 'wire-invalid';
}

const readVarint = (bytes: Uint8Array, at: number): [value: bigint, next: number] => {
  let value = 0n;
  for (let index = 0; index < 10; index += 1) {
    const byte = bytes[at + index];
    if (byte === undefined) break;
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if ((byte & 0x80) === 0) return [BigInt.asUintN(64, value), at + index + 1];
  }
  throw new WireError(`expected a whole number at byte ${at}`);
};

/** The fields of a message, in their order. @throws WireError */
export const readFields = (bytes: Uint8Array): Field[] => {
  const fields: Field[] = [];
  let at = 0;
  while (at < bytes.length) {
    const start = at;
    const [key, afterKey] = readVarint(bytes, at);
    const number = Number(key >> 3n);
    const type = Number(key & 7n);
    if (number === 0) throw new WireError(`expected a field at byte ${start}`);
    let value: WireValue;
    at = afterKey;
    if (type === 0) {
      [value, at] = readVarint(bytes, at);
    } else {
      let length: number;
      if (type === 2) {
        const [size, afterSize] = readVarint(bytes, at);
        length = Number(size);
        at = afterSize;
      } else if (type === 1 || type === 5) length = type === 1 ? 8 : 4;
      else throw new WireError(`wire type ${type} at byte ${start} is not in use`);
      if (at + length > bytes.length) throw new WireError(`the field at byte ${start} is longer than its message`);
      value = bytes.subarray(at, at + length);
      at += length;
    }
    fields.push({ number, type: type as Field['type'], value, raw: bytes.subarray(start, at) });
  }
  return fields;
};

const varint = (value: bigint): number[] => {
  const out: number[] = [];
  let left = BigInt.asUintN(64, value);
  while (left >= 0x80n) {
    out.push(Number(left & 0x7fn) | 0x80);
    left >>= 7n;
  }
  out.push(Number(left));
  return out;
};

const encode = ({ number, type, value, raw }: Field): Uint8Array[] => {
  if (raw !== undefined) return [raw];
  const key = varint((BigInt(number) << 3n) | BigInt(type));
  if (typeof value === 'bigint') return [Uint8Array.from([...key, ...varint(value)])];
  return [Uint8Array.from(type === 2 ? [...key, ...varint(BigInt(value.length))] : key), value];
};

/** The bytes of a message. */
export const writeFields = (fields: readonly Field[]): Uint8Array => {
  const parts = fields.flatMap(encode);
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
};

export const varintField = (number: number, value: number | bigint): Field => ({
  number,
  type: 0,
  value: BigInt(value),
});

export const bytesField = (number: number, value: Uint8Array): Field => ({ number, type: 2, value });

export const messageField = (number: number, fields: readonly Field[]): Field =>
  bytesField(number, writeFields(fields));

export const textField = (number: number, text: string): Field => bytesField(number, encodeText(text));

/** A four-byte IEEE 754 number. */
export const floatField = (number: number, value: number): Field => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return { number, type: 5, value: bytes };
};

/** UTF-8 of a text; by hand, since a library without I/O has no TextEncoder in its types. */
const encodeText = (text: string): Uint8Array => {
  const out: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x80) out.push(code);
    else if (code < 0x800) out.push(0xc0 | (code >> 6), 0x80 | (code & 0x3f));
    else if (code < 0x10000) out.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
    else {
      out.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 0x3f), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
    }
  }
  return Uint8Array.from(out);
};

/** The text of UTF-8 bytes. */
export const decodeText = (bytes: Uint8Array): string => {
  let escaped = '';
  for (const byte of bytes) escaped += `%${byte.toString(16).padStart(2, '0')}`;
  try {
    return decodeURIComponent(escaped);
  } catch {
    throw new WireError('expected text in UTF-8');
  }
};

/** The last value of a field, as Protocol Buffers has it for single fields. */
export const bytesOf = (fields: readonly Field[], number: number): Uint8Array | undefined => {
  const found = fields.findLast((field) => field.number === number && field.type === 2);
  return found?.value as Uint8Array | undefined;
};

export const allBytesOf = (fields: readonly Field[], number: number): Uint8Array[] =>
  fields.filter((field) => field.number === number && field.type === 2).map((field) => field.value as Uint8Array);

export const textOf = (fields: readonly Field[], number: number): string | undefined => {
  const bytes = bytesOf(fields, number);
  return bytes === undefined ? undefined : decodeText(bytes);
};

/** Whole numbers of a field, written one by one or packed. */
export const integersOf = (fields: readonly Field[], number: number): bigint[] =>
  fields
    .filter((field) => field.number === number)
    .flatMap(({ value }) => {
      if (typeof value === 'bigint') return [BigInt.asIntN(64, value)];
      const numbers: bigint[] = [];
      for (let at = 0; at < value.length; ) {
        const [next, after] = readVarint(value, at);
        numbers.push(BigInt.asIntN(64, next));
        at = after;
      }
      return numbers;
    });
