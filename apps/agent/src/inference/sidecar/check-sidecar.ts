import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SidecarRefusedError } from '../errors.ts';
import { encodeMessage } from '../framing.ts';
import { SidecarConnection } from './sidecar-connection.ts';
import type { SidecarErrorCode, SidecarHello, SidecarModel, SidecarPort, SidecarQuestion } from './sidecar-messages.ts';
import { type SidecarCommand, SidecarProcess } from './sidecar-process.ts';
import { bytesOf, type SidecarTensor } from './tensor-type.ts';

/** What is asked of a sidecar, and what came of it. */
export interface CheckedRequirement {
  readonly requirement: string;
  /** What happened instead; null: it is met. */
  readonly problem: string | null;
}

export interface SidecarCheck {
  readonly sidecar: SidecarCommand;
  /** A model that it can load. */
  readonly model: string;
  readonly format: string;
  /** For one answer, in ms. */
  readonly patienceMs: number;
  /** Told of each requirement, in order. */
  readonly onChecked: (checked: CheckedRequirement) => void;
}

/** A size for inputs that may be of any. */
const ANY_SIZE = 1;
const END_PATIENCE_MS = 2_000;

/** A requirement is not met. */
class Unmet extends Error {}

/**
 * Holds a sidecar to each requirement of `docs/sidecars.md` that can be seen from outside.
 * @returns whether all are met
 */
export const checkSidecar = async (check: SidecarCheck): Promise<boolean> => {
  const folder = await mkdtemp(join(tmpdir(), 'aviary-sidecar-'));
  const run = new CheckRun(check, folder);
  try {
    await run.all();
    return run.isMet;
  } finally {
    await run.end();
    await rm(folder, { recursive: true, force: true });
  }
};

/** A run of a checked sidecar, and what is known of it so far. */
interface Started {
  readonly sidecar: SidecarProcess;
  readonly connection: SidecarConnection;
}

class CheckRun {
  isMet = true;
  readonly #check: SidecarCheck;
  readonly #folder: string;
  readonly #started: Started[] = [];

  constructor(check: SidecarCheck, folder: string) {
    this.#check = check;
    this.#folder = folder;
  }

  async all(): Promise<void> {
    const first = this.#start();
    const hello = await this.#require('says hello in protocol 1, with its runtime and formats', async () => {
      const said = await this.#intime(first, first.connection.hello());
      if (!said.formats.some((format) => format === this.#check.format)) {
        throw new Unmet(`expected ${this.#check.format} among its formats, got ${said.formats.join(', ')}`);
      }
      return said;
    });
    if (hello === undefined) return;
    await this.#talks(first);
    const loaded = await this.#loads(first);
    if (loaded !== undefined) await this.#runs(first, loaded);
    if (hello.prepares !== undefined) await this.#prepares(first, hello);
    await this.#ends(first);
    await this.#endsOnNonsense();
  }

  async end(): Promise<void> {
    for (const { sidecar, connection } of this.#started) {
      connection.close();
      sidecar.kill();
      await sidecar.exited;
    }
  }

  async #talks({ sidecar, connection }: Started): Promise<void> {
    const one = { sidecar, connection };
    await this.#require('answers a ping', () => this.#intime(one, connection.ping()));
    await this.#refuses('refuses a request that it does not know', one, 'request-unknown', () =>
      connection.ask('pong', { kind: 'sing' } as unknown as SidecarQuestion),
    );
    await this.#require('takes a message that comes in pieces', async () => {
      // Head and body of one request, a byte at a time, with the socket's own buffers between.
      const whole = encodeMessage({ kind: 'ping', id: connection.nextId }, 0);
      const answered = connection.ask('pong', null);
      for (const byte of whole) {
        sidecar.socket.write(Uint8Array.of(byte));
        await pause(1);
      }
      await this.#intime(one, answered);
    });
  }

  async #loads(one: Started): Promise<SidecarModel | undefined> {
    const { connection } = one;
    const { model: file, format } = this.#check;
    const request = { model: 0, file, format, prepared: false, threads: 1 };
    await this.#refuses('refuses a file that is not there', one, 'model-refused', () =>
      connection.load({ ...request, file: join(this.#folder, 'none') }),
    );
    const broken = join(this.#folder, 'broken');
    await writeFile(broken, 'this is no model');
    await this.#refuses('refuses a file that is no model', one, 'model-refused', () =>
      connection.load({ ...request, file: broken }),
    );
    await this.#refuses('refuses to run a model that is not loaded', one, 'model-unknown', () =>
      connection.run(7, [], ['y']),
    );
    const loaded = await this.#require('loads the model, and names its inputs and outputs', () =>
      this.#intime(one, connection.load(request)),
    );
    if (loaded !== undefined) {
      await this.#require('loads a second model beside it', () =>
        this.#intime(one, connection.load({ ...request, model: 1 })),
      );
    }
    return loaded;
  }

  async #runs(one: Started, { inputs, outputs }: SidecarModel): Promise<void> {
    const { connection } = one;
    const names = outputs.map(({ name }) => name);
    const given = inputs.map(emptyTensor);
    const first = await this.#require('runs it, with outputs of the types and shapes that it has named', async () => {
      const results = await this.#intime(one, connection.run(0, given, names));
      for (const [i, port] of outputs.entries()) fitOrThrow(port, results[i]);
      return results;
    });
    if (first === undefined) return;
    const giveTheSame = async (model: number): Promise<void> => {
      const again = await this.#intime(one, connection.run(model, given, names));
      const other = again.find(({ bytes }, i) => Buffer.compare(bytes, first[i]?.bytes ?? Buffer.of()) !== 0);
      if (other !== undefined) throw new Unmet(`"${other.name}" differs`);
    };
    await this.#require('gives the same for the same input', () => giveTheSame(0));
    await this.#require('gives the same in the second model', () => giveTheSame(1));
    await this.#require('gives the outputs that are wanted, in that order', async () => {
      await this.#intime(one, connection.run(0, given, names.toReversed()));
      await this.#intime(one, connection.run(0, given, names.slice(0, 1)));
    });
    const [input, ...rest] = given as [SidecarTensor, ...SidecarTensor[]];
    const wrong: readonly (readonly [string, readonly SidecarTensor[]])[] = [
      ['an input that the model does not have', [{ ...input, name: `no ${input.name}` }, ...rest]],
      ['an input of another type', [{ ...input, ...otherType(input) }, ...rest]],
      ['an input of another shape', [grown(input), ...rest]],
      ['a body that is too short', [{ ...input, bytes: input.bytes.subarray(1) }, ...rest]],
      ['a body that is too long', [{ ...input, bytes: Buffer.concat([input.bytes, Buffer.alloc(1)]) }, ...rest]],
    ];
    for (const [what, tensors] of wrong) {
      await this.#refuses(`refuses ${what}`, one, 'tensor-refused', () => connection.run(0, tensors, names));
    }
    await this.#refuses('refuses to give an output that the model does not have', one, 'tensor-refused', () =>
      connection.run(0, given, [`no ${names[0]}`]),
    );
    await this.#require('runs on after all that', () => this.#intime(one, connection.run(0, given, names)));
  }

  async #prepares(one: Started, { prepares = [] }: SidecarHello): Promise<void> {
    const { model: file, format } = this.#check;
    if (!prepares.some((prepared) => prepared === format)) return;
    const into = join(this.#folder, 'prepared');
    const request = { file, format, precision: 'fp32', into };
    await this.#require('prepares the model, and loads what it has made', async () => {
      await this.#intime(one, one.connection.prepare(request));
      if ((await stat(into)).size === 0) throw new Unmet('it has written nothing');
      await this.#intime(one, one.connection.load({ model: 2, file: into, format, prepared: true, threads: 1 }));
    });
    const other = join(this.#folder, 'prepared-broken');
    await this.#refuses(
      'refuses to prepare a file that is no model, and leaves nothing',
      one,
      'prepare-failed',
      async () => {
        const asked = { ...request, file: join(this.#folder, 'broken'), into: other };
        const refusal = await one.connection.prepare(asked).catch((error: unknown) => error);
        if (await stat(other).catch(() => null)) throw new Unmet('it has left a file');
        if (refusal !== undefined) throw refusal;
      },
    );
  }

  async #ends({ sidecar, connection }: Started): Promise<void> {
    await this.#require('ends within 2 seconds when the connection is closed', async () => {
      connection.close();
      await endOrThrow(sidecar);
    });
  }

  async #endsOnNonsense(): Promise<void> {
    const one = this.#start();
    const { sidecar, connection } = one;
    await this.#require('ends within 2 seconds at bytes that are no message', async () => {
      // It has started then.
      await this.#intime(one, connection.hello());
      sidecar.socket.write(Buffer.alloc(64, 0xff));
      await endOrThrow(sidecar);
    });
  }

  #start(): Started {
    const sidecar = new SidecarProcess(this.#check.sidecar);
    const started = { sidecar, connection: new SidecarConnection(sidecar.socket) };
    this.#started.push(started);
    return started;
  }

  async #refuses(
    requirement: string,
    one: Started,
    code: SidecarErrorCode,
    ask: () => Promise<unknown>,
  ): Promise<void> {
    await this.#require(`${requirement} (${code})`, async () => {
      try {
        await this.#intime(one, ask());
      } catch (error) {
        if (!(error instanceof SidecarRefusedError)) throw error;
        if (error.reason === code) return;
        throw new Unmet(`it refused with ${error.reason}: ${error.message}`);
      }
      throw new Unmet('it did not refuse');
    });
  }

  /** @returns what came of it; undefined: the requirement is not met */
  async #require<T>(requirement: string, test: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await test();
      this.#check.onChecked({ requirement, problem: null });
      return result;
    } catch (error) {
      this.isMet = false;
      this.#check.onChecked({ requirement, problem: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  }

  async #intime<T>({ sidecar, connection }: Started, answer: Promise<T>): Promise<T> {
    const { patienceMs } = this.#check;
    const timer = setTimeout(() => {
      connection.close();
      sidecar.kill();
    }, patienceMs);
    const start = performance.now();
    try {
      return await answer;
    } catch (error) {
      if (performance.now() - start >= patienceMs) throw new Unmet(`no answer within ${patienceMs} ms`);
      if (!connection.isEnded) throw error;
      const ended = await Promise.race([sidecar.exited, pause(END_PATIENCE_MS)]);
      throw new Unmet(`${error instanceof Error ? error.message : error}${ended === undefined ? '' : `; ${ended}`}`);
    } finally {
      clearTimeout(timer);
    }
  }
}

const endOrThrow = async (sidecar: SidecarProcess): Promise<void> => {
  const ended = await Promise.race([sidecar.exited, pause(END_PATIENCE_MS)]);
  if (ended === undefined) throw new Unmet('it goes on');
};

const shapeOf = ({ shape }: SidecarPort): number[] => shape.map((size) => (size < 0 ? ANY_SIZE : size));

const emptyTensor = (port: SidecarPort): SidecarTensor => {
  const head = { name: port.name, type: port.type, shape: shapeOf(port) };
  return { ...head, bytes: new Uint8Array(bytesOf(head)) };
};

const otherType = (tensor: SidecarTensor): Pick<SidecarTensor, 'type' | 'bytes'> => {
  const type = tensor.type === 'float64' ? 'int16' : 'float64';
  return { type, bytes: new Uint8Array(bytesOf({ ...tensor, type })) };
};

const grown = (tensor: SidecarTensor): SidecarTensor => {
  const shape = [...tensor.shape, 2];
  return { ...tensor, shape, bytes: new Uint8Array(bytesOf({ ...tensor, shape })) };
};

const fitOrThrow = (port: SidecarPort, tensor: SidecarTensor | undefined): void => {
  const fits =
    tensor?.type === port.type &&
    tensor.shape.length === port.shape.length &&
    port.shape.every((size, i) => size < 0 || size === tensor.shape[i]);
  if (fits) return;
  const got = tensor === undefined ? 'nothing' : `${tensor.type} of ${tensor.shape.join('×')}`;
  throw new Unmet(`expected ${port.type} of ${port.shape.join('×')} as "${port.name}", got ${got}`);
};
