import { join } from 'node:path';
import { adminRoutes, type Client, createClient } from '@aviary/protocol';
import { closeWithin, startAdminPlane } from '../../apps/control-plane/src/roles/http-servers.ts';
import type { Services } from '../../apps/control-plane/src/roles/services.ts';
import type { TestDatabase } from './test-database.ts';
import { openTestServices } from './test-services.ts';

/** The admin plane as one process has it: its own connections, its own port. Several may share a database. */
export class ApiProcess {
  private constructor(
    readonly services: Services,
    private readonly app: Awaited<ReturnType<typeof startAdminPlane>>,
  ) {}

  /** @param settings where the built console lies, where there is one; further options of the control plane */
  static async start(
    t: TestDatabase,
    settings: { consoleDirectory?: string; options?: readonly string[] } = {},
  ): Promise<ApiProcess> {
    const services = await openTestServices(t, ...(settings.options ?? []));
    services.live.start();
    const consoleDirectory = settings.consoleDirectory ?? join(t.directory, 'no-console');
    const app = await startAdminPlane(services, t.log, { host: '127.0.0.1', port: 0, consoleDirectory });
    return new ApiProcess(services, app);
  }

  get port(): number {
    const address = this.app.getHttpServer().address();
    if (address === null || typeof address === 'string') throw new Error('it does not listen on a port');
    return address.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What lets a request in. */
  get headers(): Record<string, string> {
    return { authorization: `Bearer ${this.services.adminToken}` };
  }

  get client(): Client<typeof adminRoutes> {
    return createClient(adminRoutes, { baseUrl: this.url, fetch, headers: this.headers });
  }

  /** As `startApi` ends it. */
  async stopServing(): Promise<void> {
    this.services.live.stop();
    await closeWithin(this.app);
  }

  async stop(): Promise<void> {
    await this.stopServing();
    await this.services.database.stop();
  }
}
