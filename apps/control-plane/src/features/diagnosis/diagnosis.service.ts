import { access, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Diagnosis } from '@aviary/protocol';
import type { SecretStore } from '../../infra/secret-store.ts';

/** What only the control plane can see of itself. */
export class DiagnosisService {
  constructor(
    private readonly secrets: Pick<SecretStore, 'opens'>,
    private readonly where: { readonly data: string; readonly mqttUrl?: string | undefined },
  ) {}

  async show(): Promise<Diagnosis> {
    const space = await statfs(this.where.data);
    return {
      now: Date.now(),
      masterKey: await this.masterKey(),
      blobs: { freeBytes: space.bavail * space.bsize, totalBytes: space.blocks * space.bsize },
      broker: this.where.mqttUrl === undefined ? 'embedded' : 'external',
    };
  }

  /** The key in memory still works when its file is gone; the next start would fail. */
  private async masterKey(): Promise<Diagnosis['masterKey']> {
    const path = join(this.where.data, 'keys', 'master.key');
    try {
      await access(path);
    } catch {
      return { ok: false, words: `${path} cannot be read` };
    }
    try {
      await this.secrets.opens('fleet-ca');
    } catch (error) {
      return { ok: false, words: error instanceof Error ? error.message : String(error) };
    }
    return { ok: true, words: 'it is there, and opens what is sealed' };
  }
}
