import { deviceRoutes, routeUrl } from '@aviary/protocol';
import type { Logger } from 'pino';
import type { DeviceApi } from '../link/device-api.ts';
import type { DownloadLimit } from '../link/download-limit.ts';
import type { HeldRelease, Journal } from '../state/journal.ts';
import type { ReleaseStore } from './release-store.ts';
import type { ServingSlot } from './serving-slot.ts';

export interface ReleaseBytesParts {
  readonly journal: Pick<Journal, 'state'>;
  readonly store: Pick<ReleaseStore, 'fetch' | 'open' | 'collectGarbage'>;
  readonly slot: Pick<ServingSlot, 'inUse'>;
  readonly api: Pick<DeviceApi, 'stream'>;
  /** How long whoever sends a release may be too slow. */
  readonly patienceMs: number;
  /** What the device lets come at most; none by default. */
  readonly limit?: DownloadLimit | undefined;
  /** Told while something that may take long goes on. */
  readonly onProgress: () => void;
  readonly log: Logger;
}

/** The bytes of releases on this device: brought here, opened, and removed when they no longer count. */
export class ReleaseBytes {
  readonly #parts: ReleaseBytesParts;

  constructor(parts: ReleaseBytesParts) {
    this.#parts = parts;
  }

  /** Brings the sealed bytes here. @throws as `download` */
  fetch(release: HeldRelease, signal: AbortSignal): Promise<void> {
    const path = routeUrl(deviceRoutes.blob, { params: { sha256: release.sha256 } });
    const { api, store, patienceMs, limit, onProgress } = this.#parts;
    const open = (start: number, both: AbortSignal) => api.stream(path, start, both);
    return store.fetch(release, { open, signal, patienceMs, limit, onProgress });
  }

  /** A sealed file that is damaged or gone is fetched again, where there is a network. @throws StepError */
  async openOrFetch(release: HeldRelease, signal: AbortSignal): Promise<string> {
    const { store } = this.#parts;
    try {
      return await store.open(release);
    } catch (error) {
      await this.fetch(release, signal).catch(() => {
        throw error;
      });
      return store.open(release);
    }
  }

  /** Removes what neither serves, nor may have to, nor is staged. */
  async tidy(): Promise<void> {
    const { journal, store, slot, log } = this.#parts;
    const { committed, previous, candidate, staged, stopped } = journal.state;
    const isStopped = staged !== null && stopped.includes(staged.release);
    const kept = [committed, previous, candidate?.release, isStopped ? null : staged].flatMap(
      (release) => release?.sha256 ?? [],
    );
    try {
      await store.collectGarbage(kept, slot.inUse);
    } catch (error) {
      log.warn({ err: error }, 'old releases could not be removed');
    }
  }
}
