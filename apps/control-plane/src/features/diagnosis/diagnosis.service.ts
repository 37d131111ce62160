import { statfs } from 'node:fs/promises';
import type { Diagnosis } from '@aviary/protocol';
import type { MasterKeySource } from '../../infra/master-key-source.ts';
import type { SecretStore } from '../../infra/secret-store.ts';

/** What only the control plane can see of itself. */
export class DiagnosisService {
  constructor(
    private readonly secrets: Pick<SecretStore, 'opens'>,
    private readonly masterKeySource: Pick<MasterKeySource, 'read' | 'words'>,
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

  /** The key in memory still works when its source is gone; the next start would fail. */
  private async masterKey(): Promise<Diagnosis['masterKey']> {
    try {
      await this.masterKeySource.read();
      await this.secrets.opens('fleet-ca');
    } catch (error) {
      return { ok: false, words: error instanceof Error ? error.message : String(error) };
    }
    return { ok: true, words: `it is ${this.masterKeySource.words}, and what it has sealed opens` };
  }
}
