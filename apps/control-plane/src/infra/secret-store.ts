import type { Database } from './database.ts';
import type { MasterKey } from './master-key.ts';

export interface Secret {
  readonly secret: Buffer;
  /** What may be shown: a certificate, a public key, a recipient. */
  readonly publicPart: string;
}

/** Long-lived secrets of the control plane: sealed under the master key, made once, the same for every process. */
export class SecretStore {
  constructor(
    private readonly database: Database,
    private readonly masterKey: MasterKey,
  ) {}

  /** Reads the secret `name`, or makes it; when several processes make it at once, all get the first one. */
  async getOrCreate(name: string, make: () => Promise<{ secret: Uint8Array; publicPart: string }>): Promise<Secret> {
    const existing = await this.get(name);
    if (existing !== undefined) return existing;
    const made = await make();
    await this.database.query(
      'insert into secret (name, sealed, public_part) values ($1, $2, $3) on conflict (name) do nothing',
      [name, this.masterKey.seal(name, made.secret), made.publicPart],
    );
    const stored = await this.get(name);
    if (stored === undefined) throw new Error(`The secret "${name}" was stored and is gone.`);
    return stored;
  }

  /** All secrets whose name begins so, by name. */
  async withPrefix(prefix: string): Promise<(Secret & { readonly name: string })[]> {
    const rows = await this.database.query<{ name: string; sealed: Buffer; public_part: string }>(
      'select name, sealed, public_part from secret where starts_with(name, $1) order by name',
      [prefix],
    );
    return rows.map(({ name, sealed, public_part }) => ({
      name,
      secret: this.masterKey.open(name, sealed),
      publicPart: public_part,
    }));
  }

  private async get(name: string): Promise<Secret | undefined> {
    const [row] = await this.database.query<{ sealed: Buffer; public_part: string }>(
      'select sealed, public_part from secret where name = $1',
      [name],
    );
    return row === undefined
      ? undefined
      : { secret: this.masterKey.open(name, row.sealed), publicPart: row.public_part };
  }
}
