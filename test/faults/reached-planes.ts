import { DeviceApi } from '../../apps/agent/src/link/device-api.ts';
import { makePki, type TestPki } from '../../apps/agent/src/testing/fleet-pki.ts';
import { identity } from '../../apps/agent/src/testing/sealed-release.ts';
import type { DevicePlane } from './device-plane.ts';

/** The planes of one test file, as light devices reach them. */
export class ReachedPlanes {
  readonly #ends: (() => Promise<void>)[] = [];
  #pki: Promise<TestPki> | undefined;

  /** One for all. */
  get pki(): Promise<TestPki> {
    this.#pki ??= makePki(identity.deviceId);
    return this.#pki;
  }

  /**
   * @param floor a time that is known to have passed, ms since 1970
   * @param pki another one than that of all
   */
  async reach(plane: DevicePlane, floor?: () => number, pki?: TestPki): Promise<DeviceApi> {
    const whose = pki ?? (await this.pki);
    const { deviceUrl } = await plane.start(whose);
    const api = new DeviceApi(deviceUrl, { fleetCa: whose.fleetCa, ...whose.device }, floor);
    this.#ends.push(async () => {
      api.close();
      await plane.stop();
    });
    return api;
  }

  async stop(): Promise<void> {
    for (const end of this.#ends.splice(0)) await end();
  }
}
