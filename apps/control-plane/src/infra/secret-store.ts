import type { Database } from './database.ts';
import type { KeyRing } from './key-ring.ts';
import { keyIdOf } from './master-key.ts';

export interface Secret {
  readonly secret: Buffer;
  /** What may be shown: a certificate, a public key, a recipient. */
  readonly publicPart: string;
}

/** Long-lived secrets of the control plane: sealed under the master key, made once, the same for every process. */
export class SecretStore {
  constructor(
    private readonly database: Database,
    private readonly keys: KeyRing,
  ) {}

  /** Reads the secret `name`, or makes it; when several processes make it at once, all get the first one. */
  async getOrCreate(name: string, make: () => Promise<{ secret: Uint8Array; publicPart: string }>): Promise<Secret> {
    const existing = await this.get(name);
    if (existing !== undefined) return existing;
    const made = await make();
    for (;;) {
      const sealed = await this.keys.seal(this.database, name, made.secret);
      // Not when the master key was replaced since it was sealed; then once more.
      await this.database.query(
        `insert into secret (name, sealed, public_part)
         select $1, $2, $3 from master_key where id = $4 and state = 'current' for share
         on conflict (name) do nothing`,
        [name, sealed, made.publicPart, keyIdOf(sealed)],
      );
      const stored = await this.get(name);
      if (stored !== undefined) return stored;
    }
  }

  /** All secrets whose name begins so, by name. */
  async withPrefix(prefix: string): Promise<(Secret & { readonly name: string })[]> {
    const rows = await this.database.query<{ name: string; sealed: Buffer; public_part: string }>(
      'select name, sealed, public_part from secret where starts_with(name, $1) order by name',
      [prefix],
    );
    return Promise.all(
      rows.map(async ({ name, sealed, public_part }) => ({
        name,
        secret: await this.keys.open(name, sealed),
        publicPart: public_part,
      })),
    );
  }

  /** Opens the secret `name` and shows it to nobody. @throws MasterKeyError when it does not open */
  async opens(name: string): Promise<void> {
    await this.get(name);
  }

  private async get(name: string): Promise<Secret | undefined> {
    const [row] = await this.database.query<{ sealed: Buffer; public_part: string }>(
      'select sealed, public_part from secret where name = $1',
      [name],
    );
    if (row === undefined) return undefined;
    return { secret: await this.keys.open(name, row.sealed), publicPart: row.public_part };
  }
}
