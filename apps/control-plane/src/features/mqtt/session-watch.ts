import type { Database } from '../../infra/database.ts';
import type { Logger } from '../../infra/log.ts';
import { WakingLoop } from '../../infra/waking-loop.ts';
import type { Broker, CountingCertificates } from './broker.ts';

/** Catches what a lost notification missed, and sessions that were opened while their device was being revoked. */
const POLL_MS = 5_000;

/**
 * A certificate is checked when a device connects; here it is checked again, so that a session does not outlive it.
 * Asks about what is, not about what has happened: whoever was killed in between has missed nothing.
 */
export class SessionWatch {
  private readonly loop = new WakingLoop(() => this.look());

  constructor(
    private readonly database: Pick<Database, 'listen'>,
    private readonly certificates: CountingCertificates,
    private readonly broker: Pick<Broker, 'enforce'>,
    private readonly log: Logger,
  ) {}

  start(): void {
    this.database.listen('certificates', () => this.loop.wake());
    this.loop.wake(0);
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  private async look(): Promise<number> {
    try {
      await this.broker.enforce(this.certificates);
    } catch (error) {
      this.log.warn({ error: String(error) }, 'which sessions have to end could not be asked; it will be again');
    }
    return POLL_MS;
  }
}
