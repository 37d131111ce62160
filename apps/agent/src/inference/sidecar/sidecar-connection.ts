import type { Duplex } from 'node:stream';
import { SidecarLostError, SidecarRefusedError } from '../errors.ts';
import { type Message, MessageReader, writeMessage } from '../framing.ts';
import {
  SIDECAR_PROTOCOL,
  type SidecarHello,
  type SidecarModel,
  type SidecarQuestion,
  type SidecarReply,
  sidecarReplySchema,
} from './sidecar-messages.ts';
import { cutTensors, joinTensors, type SidecarTensor, type TensorHead } from './tensor-type.ts';

type Answer = Exclude<SidecarReply, { kind: 'alive' }>;
type AnswerOf<Kind extends Answer['kind']> = Extract<Answer, { kind: Kind }>;

interface Waiting {
  readonly id: number;
  readonly resolve: (settled: { answer: Answer; body: Uint8Array }) => void;
  readonly reject: (error: Error) => void;
}

/** What is given to `SidecarConnection`. */
export interface ConnectionOptions {
  /** Called when the sidecar says that it is at work. */
  readonly onAlive?: () => void;
}

/**
 * The agent's end of a sidecar's socket. One question at a time; whatever comes that answers none, or is no message, ends
 * the connection, since then nothing that follows can be believed.
 */
export class SidecarConnection {
  readonly #stream: Duplex;
  readonly #onAlive: () => void;
  #nextId = 1;
  #waiting: Waiting | null = null;
  #ended: SidecarLostError | null = null;

  constructor(stream: Duplex, options: ConnectionOptions = {}) {
    this.#stream = stream;
    this.#onAlive = options.onAlive ?? (() => undefined);
    const reader = new MessageReader((message) => this.#hear(message));
    stream.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.#end(`what the sidecar said is no message: ${error instanceof Error ? error.message : error}`);
      }
    });
    stream.on('error', (error) => this.#end(`the connection to the sidecar broke: ${error.message}`));
    stream.on('close', () => this.#end('the sidecar has closed its connection'));
    stream.on('end', () => this.#end('the sidecar has closed its connection'));
  }

  /** Whether it will answer nothing any more. */
  get isEnded(): boolean {
    return this.#ended !== null;
  }

  /** @throws SidecarLostError; SidecarRefusedError when it does not speak this version of the protocol */
  async hello(): Promise<SidecarHello> {
    const { answer } = await this.ask('hello', { kind: 'hello', protocol: SIDECAR_PROTOCOL });
    if (answer.protocol === SIDECAR_PROTOCOL) return answer;
    const words = `expected protocol ${SIDECAR_PROTOCOL}, the sidecar speaks ${answer.protocol}`;
    throw new SidecarRefusedError('protocol-unsupported', words);
  }

  /** @throws SidecarRefusedError when it does not take the file; SidecarLostError */
  async load(request: Omit<Extract<SidecarQuestion, { kind: 'load' }>, 'kind'>): Promise<SidecarModel> {
    return (await this.ask('loaded', { kind: 'load', ...request })).answer;
  }

  /**
   * Runs a model once.
   * @returns the wanted outputs, in the order in which they are wanted
   * @throws SidecarRefusedError when this run has no result; SidecarLostError
   */
  async run(model: number, inputs: readonly SidecarTensor[], wanted: readonly string[]): Promise<SidecarTensor[]> {
    const heads: TensorHead[] = inputs.map(({ name, type, shape }) => ({ name, type, shape }));
    const question = { kind: 'run', model, inputs: heads, outputs: wanted } as const;
    const { answer, body } = await this.ask('ran', question, joinTensors(inputs));
    const names = answer.outputs.map(({ name }) => name);
    if (names.length !== wanted.length || names.some((name, i) => name !== wanted[i])) {
      throw this.#end(`expected the outputs ${wanted.join(', ')} from the sidecar, got ${names.join(', ') || 'none'}`);
    }
    const tensors = cutTensors(answer.outputs, body);
    if (tensors !== undefined) return tensors;
    throw this.#end(`the ${body.byteLength} bytes of the sidecar's outputs are not what their shapes say`);
  }

  /** Lets it build what it loads. @throws SidecarRefusedError; SidecarLostError */
  async prepare(request: Omit<Extract<SidecarQuestion, { kind: 'prepare' }>, 'kind'>): Promise<void> {
    await this.ask('prepared', { kind: 'prepare', ...request });
  }

  /** @throws SidecarLostError */
  async ping(): Promise<void> {
    await this.ask('pong', { kind: 'ping' });
  }

  /** Lets it end. */
  close(): void {
    this.#end('the connection to the sidecar was closed');
  }

  /** The number of the next question. */
  get nextId(): number {
    return this.#nextId;
  }

  /**
   * Asks for anything.
   * @param question null: the caller writes it to the stream, with `nextId`
   * @throws SidecarRefusedError; SidecarLostError
   */
  async ask<Kind extends Answer['kind']>(
    expected: Kind,
    question: SidecarQuestion | null,
    body?: Uint8Array,
  ): Promise<{ answer: AnswerOf<Kind>; body: Uint8Array }> {
    if (this.#ended !== null) throw this.#ended;
    if (this.#waiting !== null) throw new SidecarLostError('sidecar-lost', 'a sidecar is asked one thing at a time');
    const { promise, resolve, reject } = Promise.withResolvers<{ answer: Answer; body: Uint8Array }>();
    const id = this.#nextId;
    this.#nextId += 1;
    this.#waiting = { id, resolve, reject };
    if (question !== null) writeMessage(this.#stream, { ...question, id }, body);
    const settled = await promise;
    const { answer } = settled;
    if (answer.kind === 'error') throw new SidecarRefusedError(answer.code, answer.words);
    if (isOf(answer, expected)) return { answer, body: settled.body };
    throw this.#end(`expected "${expected}" from the sidecar, got "${answer.kind}"`);
  }

  #hear({ head, body }: Message): void {
    if (this.#ended !== null) return;
    const parsed = sidecarReplySchema.safeParse(head);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const place = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
      this.#end(`the sidecar said something that is no answer: ${place}${issue?.message ?? 'unknown'}`);
      return;
    }
    const reply = parsed.data;
    if (reply.kind === 'alive') {
      this.#onAlive();
      return;
    }
    const waiting = this.#waiting;
    if (waiting === null || reply.id !== waiting.id) {
      this.#end(`the sidecar answered ${reply.id}, which was not asked`);
      return;
    }
    this.#waiting = null;
    waiting.resolve({ answer: reply, body });
  }

  #end(words: string): SidecarLostError {
    this.#ended ??= new SidecarLostError('sidecar-lost', words);
    this.#waiting?.reject(this.#ended);
    this.#waiting = null;
    this.#stream.destroy();
    return this.#ended;
  }
}

const isOf = <Kind extends Answer['kind']>(answer: Answer, kind: Kind): answer is AnswerOf<Kind> =>
  answer.kind === kind;
