import type { OnlineRole } from '@aviary/protocol';
import {
  decodeSigningKey,
  encodeSigningKey,
  generateSigningKey,
  publicKeyPem,
  type Signer,
  signerOf,
} from '@aviary/release';
import type { SecretStore } from '../../infra/secret-store.ts';

export const ONLINE_ROLES: readonly OnlineRole[] = ['snapshot', 'timestamp', 'director'];

const prefixOf = (role: OnlineRole): string => `online-key:${role}:`;

/**
 * The keys that the control plane signs with by itself. It may hold several of a role: which of them count, the
 * publisher has signed.
 */
export class OnlineKeys {
  private signers = new Map<string, Signer>();

  private constructor(private readonly secrets: SecretStore) {}

  /** Reads them, and makes a first one of each role. */
  static async open(secrets: SecretStore): Promise<OnlineKeys> {
    const keys = new OnlineKeys(secrets);
    for (const role of ONLINE_ROLES) await secrets.getOrCreate(`${prefixOf(role)}first`, newKey);
    await keys.load();
    return keys;
  }

  /** Makes another key of a role. @returns the public half */
  async make(role: OnlineRole): Promise<Signer> {
    const made = await newKey();
    const signer = signerOf(decodeSigningKey(made.secret.toString()));
    await this.secrets.getOrCreate(`${prefixOf(role)}${signer.keyId}`, async () => made);
    await this.load();
    return signer;
  }

  /** All of a role, as they are now. */
  async list(role: OnlineRole): Promise<Signer[]> {
    await this.load();
    return this.of(role);
  }

  /** Those of a role whose ids are among `keyIds`; another process may have made them. */
  async signersFor(role: OnlineRole, keyIds: readonly string[]): Promise<Signer[]> {
    const known = this.of(role).filter(({ keyId }) => keyIds.includes(keyId));
    if (known.length > 0) return known;
    await this.load();
    return this.of(role).filter(({ keyId }) => keyIds.includes(keyId));
  }

  private of(role: OnlineRole): Signer[] {
    return [...this.signers].filter(([name]) => name.startsWith(prefixOf(role))).map(([, signer]) => signer);
  }

  private async load(): Promise<void> {
    const secrets = await this.secrets.withPrefix('online-key:');
    this.signers = new Map(
      secrets.map(({ name, secret }) => [name, signerOf(decodeSigningKey(secret.toString()))] as const),
    );
  }
}

const newKey = async () => {
  const key = generateSigningKey();
  return { secret: Buffer.from(encodeSigningKey(key)), publicPart: publicKeyPem(key) };
};
