import { createCipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { Decrypter, Encrypter } from 'age-encryption';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHeader, openHeader } from './age-header.ts';
import { openPayload, sealedLength, sealPayload } from './age-payload.ts';
import { ageRecipientOf, generateAgeIdentity } from './age-recipient.ts';

const CHUNK = 64 * 1024;
const SEALED_CHUNK = CHUNK + 16;
const identity = generateAgeIdentity();
const recipient = ageRecipientOf(identity);
const fileKey = randomBytes(16);
const ODD_SIZES = [0, 1, 15, 16, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1, 200_000];

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

const seal = (plain: Uint8Array) => collect(sealPayload(fileKey, [plain]));

function* pieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

async function codeOf(ciphertext: Uint8Array): Promise<string> {
  try {
    await collect(openPayload(fileKey, [ciphertext]));
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'none';
}

/** One chunk sealed by hand, to make what no sealer makes. */
function chunk(nonce: Buffer, counter: number, last: boolean, plain: Buffer): Buffer {
  const key = Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32));
  const iv = Buffer.alloc(12);
  iv[10] = counter;
  iv[11] = last ? 1 : 0;
  const cipher = createCipheriv('chacha20-poly1305', key, iv, { authTagLength: 16 });
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

describe('age payload', () => {
  it.each(ODD_SIZES)('of %i bytes comes back, and is as long as foretold', async (size) => {
    const plain = randomBytes(size);
    const sealed = await seal(plain);
    expect(sealed.length).toBe(sealedLength(size));
    expect(await collect(openPayload(fileKey, [sealed]))).toEqual(plain);
  });

  it('comes back however input and ciphertext are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.nat(300), fc.constantFrom(...ODD_SIZES)),
        fc.integer({ min: 500, max: 100_000 }),
        fc.integer({ min: 500, max: 100_000 }),
        async (size, cutIn, cutOut) => {
          const plain = randomBytes(size);
          const sealed = await collect(sealPayload(fileKey, pieces(plain, cutIn)));
          expect((await collect(openPayload(fileKey, pieces(sealed, cutOut)))).equals(plain)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is opened from a source whose parts take turns in the same memory', async () => {
    const plain = randomBytes(1_000_000);
    const sealed = await seal(plain);
    for (const size of [1_000, SEALED_CHUNK - 1, SEALED_CHUNK, 3 * SEALED_CHUNK + 5]) {
      const rooms = [Buffer.alloc(size), Buffer.alloc(size)];
      const taking = (function* () {
        let turn = 0;
        for (const piece of pieces(sealed, size)) {
          const room = rooms[turn++ % 2] ?? Buffer.alloc(0);
          room.fill(0).set(piece);
          yield room.subarray(0, piece.length);
        }
      })();
      expect((await collect(openPayload(fileKey, taking))).equals(plain)).toBe(true);
    }
  });

  it.each([0, 1, CHUNK, CHUNK + 1, 200_000])('of %i bytes under our header is opened by typage', async (size) => {
    const plain = randomBytes(size);
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    const file = Buffer.concat([createHeader(fileKey, recipient), await seal(plain)]);
    expect(Buffer.from(await decrypter.decrypt(file))).toEqual(plain);
  });

  it.each([0, 1, CHUNK, CHUNK + 1, 200_000])('of %i bytes sealed by typage is opened', async (size) => {
    const plain = randomBytes(size);
    const encrypter = new Encrypter();
    encrypter.addRecipient(recipient);
    const file = Buffer.from(await encrypter.encrypt(new Uint8Array(plain)));
    const end = file.indexOf('\n', file.indexOf('\n--- ') + 1) + 1;
    const key = openHeader(file.subarray(0, end), identity);
    expect(await collect(openPayload(key, [file.subarray(end)]))).toEqual(plain);
  });

  it('opens under the headers of two devices alike', async () => {
    const sealed = await seal(Buffer.from('one ciphertext'));
    for (const device of [generateAgeIdentity(), generateAgeIdentity()]) {
      const key = openHeader(createHeader(fileKey, ageRecipientOf(device)), device);
      expect((await collect(openPayload(key, [sealed]))).toString()).toBe('one ciphertext');
    }
  });

  it('is refused with any bit flipped', async () => {
    const sealed = await seal(randomBytes(CHUNK + 100));
    await fc.assert(
      fc.asyncProperty(fc.nat(sealed.length - 1), fc.nat(7), async (index, bit) => {
        const damaged = Buffer.from(sealed);
        damaged[index] = (damaged[index] ?? 0) ^ (1 << bit);
        expect(await codeOf(damaged)).toBe('age-payload-tampered');
      }),
      { numRuns: 60 },
    );
  });

  it('is refused cut at any place', async () => {
    const sealed = await seal(randomBytes(2 * CHUNK));
    for (const length of [0, 1, 15, 16, 17, 31, 16 + 15, SEALED_CHUNK + 17]) {
      expect(await codeOf(sealed.subarray(0, length)), `${length} bytes`).toMatch(/^age-payload-(truncated|tampered)$/);
    }
    await fc.assert(
      fc.asyncProperty(fc.nat(sealed.length - 1), async (length) => {
        expect(await codeOf(sealed.subarray(0, length))).toMatch(/^age-payload-(truncated|tampered)$/);
      }),
      { numRuns: 60 },
    );
  });

  it('is called cut, not damaged, where it ends between two chunks', async () => {
    const sealed = await seal(randomBytes(2 * CHUNK));
    expect(await codeOf(sealed.subarray(0, 16 + SEALED_CHUNK))).toBe('age-payload-truncated');
    expect(await codeOf(sealed.subarray(0, 16))).toBe('age-payload-truncated');
  });

  it('is refused with bytes behind the last chunk', async () => {
    const sealed = await seal(randomBytes(CHUNK));
    expect(await codeOf(Buffer.concat([sealed, Buffer.from([0])]))).toBe('age-payload-trailing');
    expect(await codeOf(Buffer.concat([await seal(Buffer.from('short')), Buffer.from([0])]))).toBe(
      'age-payload-tampered',
    );
  });

  it('is refused with an empty last chunk behind others', async () => {
    const nonce = randomBytes(16);
    const body = chunk(nonce, 0, false, randomBytes(CHUNK));
    expect(await codeOf(Buffer.concat([nonce, body, chunk(nonce, 1, true, Buffer.alloc(0))]))).toBe(
      'age-payload-tampered',
    );
    expect(await codeOf(Buffer.concat([nonce, body, chunk(nonce, 1, true, Buffer.alloc(1))]))).toBe('none');
  });

  it('is refused with chunks in another order', async () => {
    const sealed = await seal(randomBytes(3 * CHUNK));
    const at = (index: number) => sealed.subarray(16 + index * SEALED_CHUNK, 16 + (index + 1) * SEALED_CHUNK);
    expect(await codeOf(Buffer.concat([sealed.subarray(0, 16), at(1), at(0), at(2)]))).toBe('age-payload-tampered');
  });

  it('is refused under another key', async () => {
    const sealed = await seal(Buffer.from('secret'));
    await expect(collect(openPayload(randomBytes(16), [sealed]))).rejects.toMatchObject({
      code: 'age-payload-tampered',
    });
  });

  it('releases no chunk before it was authenticated', async () => {
    const sealed = await seal(randomBytes(2 * CHUNK));
    sealed[16 + SEALED_CHUNK + 5] = (sealed[16 + SEALED_CHUNK + 5] ?? 0) ^ 1;
    const released: number[] = [];
    await expect(
      (async () => {
        for await (const part of openPayload(fileKey, [sealed])) released.push(part.length);
      })(),
    ).rejects.toMatchObject({ code: 'age-payload-tampered' });
    expect(released).toEqual([CHUNK]);
  });

  it('takes no more of its input than two chunks ahead of its output', async () => {
    let taken = 0;
    const endless = (function* () {
      for (;;) {
        taken += 1000;
        yield new Uint8Array(1000);
      }
    })();
    let given = 0;
    for await (const part of sealPayload(fileKey, endless)) {
      given += part.length;
      expect(taken - given).toBeLessThanOrEqual(2 * CHUNK);
      if (given > 20 * CHUNK) break;
    }
  });
});
