import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exampleFacts } from '@aviary/hardware';
import { type Identity, loadIdentity } from '../../apps/agent/src/identity/identity.ts';
import { joinFleet } from '../../apps/agent/src/identity/join.ts';
import { readConfig } from '../../apps/control-plane/src/config.ts';
import { startGateway } from '../../apps/control-plane/src/roles/gateway-role.ts';
import { closeWithin, startDevicePlane } from '../../apps/control-plane/src/roles/http-servers.ts';
import type { Services } from '../../apps/control-plane/src/roles/services.ts';
import { freePort } from './free-port.ts';
import { TestDatabase } from './test-database.ts';
import { TestPublisher } from './test-publisher.ts';
import { openTestServices } from './test-services.ts';

/** What devices reach of a control plane, device plane and gateway, in this process, over a real database. */
export class TestPlane {
  private constructor(
    readonly database: TestDatabase,
    readonly services: Services,
    readonly publisher: TestPublisher,
    readonly deviceUrl: string,
    private readonly folder: string,
    private readonly ends: readonly (() => Promise<void>)[],
  ) {}

  static async start(): Promise<TestPlane> {
    const database = await TestDatabase.start();
    const [devicePort, mqttPort] = await Promise.all([freePort(), freePort()]);
    const options = ['--device-port', `${devicePort}`, '--mqtt-port', `${mqttPort}`];
    const services = await openTestServices(database, ...options);
    const { config } = readConfig(['run', '--data', database.directory, ...options], {});
    const folder = await mkdtemp(join(tmpdir(), 'aviary-plane-'));
    const app = await startDevicePlane(services, await services.ca.issueServer(['127.0.0.1']), database.log, {
      host: '127.0.0.1',
      port: devicePort,
    });
    const stopGateway = await startGateway(services, config, database.log);
    const publisher = await TestPublisher.found(services.trust);
    const ends = [stopGateway, () => closeWithin(app)];
    return new TestPlane(database, services, publisher, `https://127.0.0.1:${devicePort}`, folder, ends);
  }

  /** Joins a board to the fleet, as its agent does it. @returns who it is, and where it keeps that */
  async join(name: string): Promise<{ readonly identity: Identity; readonly stateDirectory: string }> {
    const { secret } = await this.services.joinTokens.create({ labels: {}, ttlSeconds: 60 });
    const stateDirectory = await mkdtemp(join(this.folder, 'state-'));
    const token = { url: this.deviceUrl, caFingerprint: this.services.ca.fingerprint, secret };
    await joinFleet(stateDirectory, token, { name, facts: exampleFacts('rpi4') });
    return { identity: await loadIdentity(stateDirectory), stateDirectory };
  }

  async stop(): Promise<void> {
    for (const end of this.ends) await end();
    await this.services.database.stop();
    await this.database.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
