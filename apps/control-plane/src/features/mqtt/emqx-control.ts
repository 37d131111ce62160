import { deviceIdSchema } from '@aviary/protocol';
import { z } from 'zod';
import { BrokerUnavailableError } from './broker.ts';
import type { SessionControl } from './session-control.ts';

const PATIENCE_MS = 10_000;
const PAGE = 1000;
const BY = 'aviary';
const REASON = 'revoked by Aviary';

const bannedSchema = z.object({
  data: z.array(z.object({ as: z.string(), who: z.string(), by: z.string().optional() })),
  meta: z.object({ hasnext: z.boolean().optional() }).optional(),
});

/** EMQX's HTTP API, version 5: a ban refuses the next connection, and ending the session is a call of its own. */
export class EmqxControl implements SessionControl {
  /** @param key `KEY:SECRET` of an API key */
  constructor(
    private readonly url: string,
    private readonly key: string,
  ) {}

  start(): void {}

  async stop(): Promise<void> {}

  async bar(deviceId: string): Promise<void> {
    // In this order, or it could come back in between.
    await this.ask('POST', '/banned', { as: 'username', who: deviceId, by: BY, reason: REASON }, 'ALREADY_EXISTS');
    await this.ask('DELETE', `/clients/${encodeURIComponent(deviceId)}`, undefined, 'NOT_FOUND');
  }

  async readmit(deviceId: string): Promise<void> {
    await this.ask('DELETE', `/banned/username/${encodeURIComponent(deviceId)}`, undefined, 'NOT_FOUND');
  }

  async barred(): Promise<Set<string>> {
    const names = new Set<string>();
    for (let page = 1; ; page += 1) {
      const response = await this.ask('GET', `/banned?page=${page}&limit=${PAGE}`);
      const banned = bannedSchema.safeParse(await response.json().catch(() => undefined));
      if (!banned.success) throw new BrokerUnavailableError('the list of bans that EMQX answers cannot be read');
      for (const { as, who, by } of banned.data.data) {
        // Bans that somebody else has made are not ours to take back.
        if (as === 'username' && by === BY && deviceIdSchema.safeParse(who).success) names.add(who);
      }
      if (banned.data.meta?.hasnext !== true) return names;
    }
  }

  /** @param harmless what says that it is so already */
  private async ask(
    method: string,
    path: string,
    body?: object,
    harmless?: 'ALREADY_EXISTS' | 'NOT_FOUND',
  ): Promise<Response> {
    const what = `${method} ${this.url}/api/v5${path}`;
    let response: Response;
    try {
      response = await fetch(`${this.url}/api/v5${path}`, {
        method,
        signal: AbortSignal.timeout(PATIENCE_MS),
        headers: {
          authorization: `Basic ${Buffer.from(this.key).toString('base64')}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
      throw new BrokerUnavailableError(`EMQX does not answer ${what}: ${cause}`);
    }
    if (response.ok || (harmless === 'NOT_FOUND' && response.status === 404)) return response;
    const words = (await response.text()).slice(0, 200);
    if (harmless === 'ALREADY_EXISTS' && words.includes(harmless)) return response;
    throw new BrokerUnavailableError(`EMQX answers ${what} with ${response.status}: ${words}`);
  }
}
