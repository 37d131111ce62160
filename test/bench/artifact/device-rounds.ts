import { createDecipheriv, createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { deviceRoutes, routeUrl } from '@aviary/protocol';
import { loadIdentity } from '../../../apps/agent/src/identity/identity.ts';
import { DeviceApi } from '../../../apps/agent/src/link/device-api.ts';
import { type HeldRelease, Journal } from '../../../apps/agent/src/state/journal.ts';
import { FleetTrust } from '../../../apps/agent/src/trust/fleet-trust.ts';
import { Assignments } from '../../../apps/agent/src/update/assignments.ts';
import { download } from '../../../apps/agent/src/update/download.ts';
import { openMemoryStorage } from '../../../apps/agent/src/update/memory-storage.ts';
import { ReleaseStore } from '../../../apps/agent/src/update/release-store.ts';

// A device that brings its release here again and again, as the updater does it: download, then open. A process of its
// own, so that what it holds in memory is the agent's and nobody else's.
//   device.ts STATE_DIRECTORY ROUNDS    one line of JSON at the end

/** What the parent reads. */
export interface DeviceReport {
  /** Milliseconds of each round: the whole way, and the serial reference over the same bytes after it. */
  readonly rounds: readonly { readonly ours: number; readonly serial: number }[];
  /** Most memory that the process ever had, in bytes, before it made the first reference. */
  readonly peakBytes: number;
}

const CHUNK_BYTES = 64 * 1024;
const TAG_BYTES = 16;
const MINUTES_MS = 300_000;
/** The firmware profile of the facts with which the parent lets it join. */
const PROFILE = 'rpi5';
const PATIENCE_MS = 30_000;

/** SHA-256 of the sealed bytes, then ChaCha20-Poly1305 of its chunks: what has to be done at the very least. @returns milliseconds */
const timeSerial = (sealed: Buffer): number => {
  const key = Buffer.alloc(32, 1);
  const nonce = Buffer.alloc(12);
  const from = performance.now();
  createHash('sha256').update(sealed).digest();
  for (let at = 0; at < sealed.length; at += CHUNK_BYTES + TAG_BYTES) {
    const cipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES });
    cipher.update(sealed.subarray(at, at + CHUNK_BYTES));
    cipher.setAuthTag(sealed.subarray(0, TAG_BYTES));
    try {
      cipher.final();
    } catch {
      // The key is not the right one: what it costs to find that out is what is measured.
    }
  }
  return performance.now() - from;
};

const peakOf = async (): Promise<number> => {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
};

/** The release that is assigned to this device, looked up and verified as the agent does it. */
const lookUp = async (stateDirectory: string, api: DeviceApi): Promise<HeldRelease> => {
  const identity = await loadIdentity(stateDirectory);
  const journal = await Journal.open(stateDirectory, identity);
  const metadata = join(stateDirectory, 'trust');
  const trust = new FleetTrust({ metadata, patienceMs: PATIENCE_MS }, identity, api, journal, () => undefined);
  await new Assignments(api, trust, identity, PROFILE, journal).look();
  const { candidate } = journal.state;
  if (candidate === null) throw new Error('expected an assigned release, found none');
  return candidate.release;
};

const [stateDirectory = '', rounds = '1'] = process.argv.slice(2);
const identity = await loadIdentity(stateDirectory);
const api = new DeviceApi(identity.deviceUrl, identity);
const plainFolder = await openMemoryStorage(identity.deviceId);
const sealedFolder = await mkdtemp(join(stateDirectory, 'sealed-'));
const store = new ReleaseStore(sealedFolder, plainFolder, identity);
try {
  const release = await lookUp(stateDirectory, api);
  const { sha256, length } = release;
  const path = routeUrl(deviceRoutes.blob, { params: { sha256 } });
  const signal = AbortSignal.timeout(MINUTES_MS);
  const open = (start: number, both: AbortSignal) => api.stream(path, start, both);
  const bring = async (): Promise<number> => {
    const from = performance.now();
    await download({ path: store.sealedPath(sha256), length, sha256, open, signal, patienceMs: PATIENCE_MS });
    await store.open(release);
    return performance.now() - from;
  };
  const measured: { ours: number; serial: number }[] = [];
  let peakBytes = 0;
  let sealed: Buffer | undefined;
  for (let round = 0; round < Number(rounds); round += 1) {
    const ours = await bring();
    peakBytes ||= await peakOf();
    if (Number(rounds) > 1) sealed ??= await readFile(store.sealedPath(sha256));
    measured.push({ ours, serial: sealed === undefined ? 0 : timeSerial(sealed) });
    await store.collectGarbage([], []);
  }
  const report: DeviceReport = { rounds: measured, peakBytes };
  process.stdout.write(`${JSON.stringify(report)}\n`);
} finally {
  api.close();
  await rm(plainFolder, { recursive: true, force: true });
  await rm(sealedFolder, { recursive: true, force: true });
}
