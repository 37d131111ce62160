import { type Argon2Parameters, argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify<'argon2id', Argon2Parameters, Buffer>(argon2);

interface Cost {
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** OWASP Password Storage Cheat Sheet, argon2id. May be raised: a stored hash says its own, and is made anew at a log-in. */
const COST: Cost = { memory: 19_456, passes: 2, parallelism: 1 };
const SALT_BYTES = 16;
const TAG_BYTES = 32;

const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/;

const unpadded = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replaceAll('=', '');

const tagOf = (password: string, nonce: Uint8Array, { memory, passes, parallelism }: Cost, tagLength: number) =>
  // One text for one password, whatever keyboard it comes from (RFC 8265).
  derive('argon2id', { message: password.normalize('NFC'), nonce, memory, passes, parallelism, tagLength });

/** A password as it is kept: argon2id (RFC 9106) as a PHC text, `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. */
export const hashPassword = async (password: string): Promise<string> => {
  const salt = randomBytes(SALT_BYTES);
  const tag = await tagOf(password, salt, COST, TAG_BYTES);
  return `$argon2id$v=19$m=${COST.memory},t=${COST.passes},p=${COST.parallelism}$${unpadded(salt)}$${unpadded(tag)}`;
};

const parse = (hash: string) => {
  const [, memory, passes, parallelism, salt, tag] = PHC.exec(hash) ?? [];
  if (salt === undefined || tag === undefined)
    throw new Error('Expected an argon2id hash in PHC form, got another text.');
  const cost: Cost = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) };
  return { cost, salt: Buffer.from(salt, 'base64'), tag: Buffer.from(tag, 'base64') };
};

/** Whether `password` is the one that was kept as `hash`. */
export const isPassword = async (password: string, hash: string): Promise<boolean> => {
  const { cost, salt, tag } = parse(hash);
  return timingSafeEqual(await tagOf(password, salt, cost, tag.length), tag);
};

/** Whether a hash was made with less work than a new one would be. */
export const isOutdated = (hash: string): boolean => {
  const { memory, passes } = parse(hash).cost;
  return memory < COST.memory || passes < COST.passes;
};
