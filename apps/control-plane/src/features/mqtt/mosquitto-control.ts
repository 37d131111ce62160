import { deviceIdSchema } from '@aviary/protocol';
import { z } from 'zod';
import type { Logger } from '../../infra/log.ts';
import { BrokerUnavailableError } from './broker.ts';
import type { BrokerConnection } from './broker-connection.ts';
import type { OpenConnection } from './broker-connections.ts';
import type { SessionControl } from './session-control.ts';

const REQUESTS = '$CONTROL/dynamic-security/v1';
const RESPONSES = '$CONTROL/dynamic-security/v1/response';
const PATIENCE_MS = 10_000;
/** Of the generated configuration: refuses every topic, before the access list is asked. */
const ROLE = 'aviary-revoked';
const PAGE = 1000;

const responsesSchema = z.object({
  responses: z.array(
    z.object({
      command: z.string(),
      correlationData: z.string().optional(),
      error: z.string().optional(),
      data: z.unknown().optional(),
    }),
  ),
});
type Answer = z.infer<typeof responsesSchema>['responses'][number];

/** What its plugin can be told. */
type Command = Readonly<Record<string, unknown>> & {
  readonly command: string;
  /** An error that says that it is so already. */
  readonly harmless?: RegExp;
};

const clientsSchema = z.object({ totalCount: z.number(), clients: z.array(z.string()) });

/**
 * Mosquitto's dynamic security plugin. A revocation list would refuse new connections alone, and leave the live one. The
 * plugin knows only those who were revoked: a client with a role that refuses everything, disabled, which ends its
 * session. Because names come from certificates, it may connect again, and then do nothing.
 */
export class MosquittoControl implements SessionControl {
  private readonly connection: BrokerConnection;
  private readonly waiting = new Map<string, (answer: Answer) => void>();

  constructor(
    open: OpenConnection,
    private readonly log: Logger,
  ) {
    const receive = async (_topic: string, payload: Buffer) => this.hear(payload);
    this.connection = open({ name: 'control', filters: [RESPONSES], receive });
  }

  start(): void {
    this.connection.start();
  }

  stop(): Promise<void> {
    return this.connection.stop();
  }

  async bar(deviceId: string): Promise<void> {
    const username = deviceId;
    // In one message: whoever is listed as barred has also lost the session, even if this gateway ends in between.
    await this.ask(
      { command: 'createClient', username, roles: [{ rolename: ROLE }], harmless: /already exists/i },
      { command: 'disableClient', username },
    );
  }

  async readmit(deviceId: string): Promise<void> {
    await this.ask({ command: 'deleteClient', username: deviceId, harmless: /not found/i });
  }

  async barred(): Promise<Set<string>> {
    const names = new Set<string>();
    for (let offset = 0; ; offset += PAGE) {
      const [answer] = await this.ask({ command: 'listClients', count: PAGE, offset });
      const page = clientsSchema.safeParse(answer?.data);
      if (!page.success) throw new BrokerUnavailableError('the list of clients that Mosquitto answers cannot be read');
      // The gateway itself is in it, too, under a name that no device can have.
      for (const name of page.data.clients) if (deviceIdSchema.safeParse(name).success) names.add(name);
      if (offset + page.data.clients.length >= page.data.totalCount || page.data.clients.length === 0) return names;
    }
  }

  /** Has Mosquitto do all of these, in turn and with nothing in between. @returns its answers, in the same order */
  private async ask(...commands: readonly Command[]): Promise<Answer[]> {
    const asked = commands.map((command) => ({ ...command, correlationData: crypto.randomUUID() }));
    const overdue = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const names = commands.map(({ command }) => command).join(' and ');
      overdue.reject(
        new BrokerUnavailableError(
          `Mosquitto did not answer ${names} within ${PATIENCE_MS} ms. Is its dynamic security plugin loaded?`,
        ),
      );
    }, PATIENCE_MS);
    try {
      const answers = asked.map(
        ({ correlationData }) => new Promise<Answer>((resolve) => this.waiting.set(correlationData, resolve)),
      );
      const words = JSON.stringify({ commands: asked.map(({ harmless: _, ...command }) => command) });
      const [said] = await Promise.race([
        Promise.all([Promise.all(answers), this.connection.publish(REQUESTS, words, 1)]),
        overdue.promise,
      ]);
      for (const [index, { error }] of said.entries()) {
        const { command, harmless } = asked[index] as Command;
        if (error === undefined || harmless?.test(error) === true) continue;
        throw new BrokerUnavailableError(`Mosquitto refuses ${command}: ${error}`);
      }
      return said;
    } finally {
      clearTimeout(timer);
      for (const { correlationData } of asked) this.waiting.delete(correlationData);
    }
  }

  /** Answers go to everybody who listens; others' are passed over. */
  private hear(payload: Buffer): void {
    let value: unknown;
    try {
      value = JSON.parse(payload.toString('utf8'));
    } catch {
      value = undefined;
    }
    const said = responsesSchema.safeParse(value);
    if (!said.success) this.log.warn('an answer of Mosquitto cannot be read');
    for (const answer of said.data?.responses ?? []) this.waiting.get(answer.correlationData ?? '')?.(answer);
  }
}
