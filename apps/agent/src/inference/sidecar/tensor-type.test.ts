import { describe, expect, it } from 'vitest';
import { bytesOf, cutTensors, joinTensors, numbersIn, type TensorType } from './tensor-type.ts';

const bytes = (view: ArrayBufferView): Uint8Array =>
  new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength);

describe('the elements of a tensor', () => {
  it.each<[TensorType, ArrayBufferView, number[]]>([
    ['float32', Float32Array.of(0.5, -2), [0.5, -2]],
    ['float64', Float64Array.of(1e300, -2), [1e300, -2]],
    ['float16', Float16Array.of(0.5, -2), [0.5, -2]],
    ['int8', Int8Array.of(-128, 127), [-128, 127]],
    ['uint8', Uint8Array.of(0, 255), [0, 255]],
    ['int16', Int16Array.of(-32768, 5), [-32768, 5]],
    ['uint16', Uint16Array.of(65535, 5), [65535, 5]],
    ['int32', Int32Array.of(-5, 2 ** 31 - 1), [-5, 2 ** 31 - 1]],
    ['uint32', Uint32Array.of(5, 2 ** 32 - 1), [5, 2 ** 32 - 1]],
    ['int64', BigInt64Array.of(-5n, 7n), [-5, 7]],
    ['uint64', BigUint64Array.of(5n, 7n), [5, 7]],
    ['bool', Uint8Array.of(0, 1), [0, 1]],
  ])('of type %s are numbers, wherever they begin', (type, view, numbers) => {
    const plain = bytes(view);
    expect(bytesOf({ type, shape: [1, 2] })).toBe(plain.length);
    expect([...numbersIn({ type, bytes: plain })]).toEqual(numbers);
    const behindAByte = new Uint8Array(plain.length + 1);
    behindAByte.set(plain, 1);
    expect([...numbersIn({ type, bytes: behindAByte.subarray(1) })]).toEqual(numbers);
  });

  it('lie one behind the other', () => {
    const a = { name: 'a', type: 'uint8', shape: [3], bytes: Uint8Array.of(1, 2, 3) } as const;
    const b = { name: 'b', type: 'int16', shape: [1, 1], bytes: Uint8Array.of(4, 0) } as const;
    const heads = [a, b].map(({ name, type, shape }) => ({ name, type, shape: [...shape] }));
    const body = joinTensors([a, b].map((one) => ({ ...one, shape: [...one.shape] })));
    expect([...body]).toEqual([1, 2, 3, 4, 0]);
    expect(cutTensors(heads, body)?.map((tensor) => [...tensor.bytes])).toEqual([
      [1, 2, 3],
      [4, 0],
    ]);
    expect(cutTensors(heads, body.subarray(1))).toBeUndefined();
    expect(cutTensors(heads, Buffer.concat([body, body]))).toBeUndefined();
    expect(cutTensors([], new Uint8Array(0))).toEqual([]);
  });
});
