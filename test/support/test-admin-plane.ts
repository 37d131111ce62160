import type { adminRoutes, Client } from '@aviary/protocol';
import type { Services } from '../../apps/control-plane/src/roles/services.ts';
import { ApiProcess } from './api-process.ts';
import { TestDatabase } from './test-database.ts';

/** The admin plane alone, in this process, on a free port, with a real database of its own. */
export class TestAdminPlane {
  private constructor(
    readonly database: TestDatabase,
    private readonly api: ApiProcess,
  ) {}

  /** @param options for the control plane, e.g. `--public-url` */
  static async start(...options: string[]): Promise<TestAdminPlane> {
    const database = await TestDatabase.start();
    return new TestAdminPlane(database, await ApiProcess.start(database, { options }));
  }

  get services(): Services {
    return this.api.services;
  }

  get server(): string {
    return this.api.url;
  }

  /** With the admin token. */
  get admin(): Client<typeof adminRoutes> {
    return this.api.client;
  }

  async stop(): Promise<void> {
    await this.api.stop();
    await this.database.stop();
  }
}
