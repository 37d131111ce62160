import { adminRoutes, type Client, createClient } from '@aviary/protocol';
import { closeWithin, startAdminPlane } from '../../apps/control-plane/src/roles/http-servers.ts';
import type { Services } from '../../apps/control-plane/src/roles/services.ts';
import { TestDatabase } from './test-database.ts';
import { openTestServices } from './test-services.ts';

/** The admin plane alone, in this process, on a free port, with a real database. */
export class TestAdminPlane {
  private constructor(
    readonly database: TestDatabase,
    readonly services: Services,
    readonly server: string,
    /** With the admin token. */
    readonly admin: Client<typeof adminRoutes>,
    private readonly app: Awaited<ReturnType<typeof startAdminPlane>>,
  ) {}

  /** @param options for the control plane, e.g. `--public-url` */
  static async start(...options: string[]): Promise<TestAdminPlane> {
    const database = await TestDatabase.start();
    const services = await openTestServices(database, ...options);
    const app = await startAdminPlane(services, database.log, { host: '127.0.0.1', port: 0 });
    const address = app.getHttpServer().address();
    const server = `http://127.0.0.1:${typeof address === 'object' ? address?.port : address}`;
    const headers = { authorization: `Bearer ${services.adminToken}` };
    const admin = createClient(adminRoutes, { baseUrl: server, fetch, headers });
    return new TestAdminPlane(database, services, server, admin, app);
  }

  async stop(): Promise<void> {
    await closeWithin(this.app);
    await this.services.database.stop();
    await this.database.stop();
  }
}
