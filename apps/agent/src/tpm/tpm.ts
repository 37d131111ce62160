import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { checkPcrs, isPcrSelection } from './pcr-selection.ts';
import { TpmTools } from './tpm-tools.ts';

/** A secret that one TPM alone opens. Tells nothing of it. */
export const tpmSealSchema = z.object({
  version: z.literal(1),
  by: z.literal('tpm'),
  /** PCRs whose values are asked for as well, e.g. `sha256:7`; null: none. */
  pcrs: z.string().refine(isPcrSelection).nullable(),
  /** `TPM2B_PUBLIC` and `TPM2B_PRIVATE`, base64. */
  public: z.base64(),
  private: z.base64(),
});
export type TpmSeal = z.infer<typeof tpmSealSchema>;

/**
 * The parent of what is sealed: the TCG's storage primary (ECC P-256, AES-128-CFB), with an empty unique field as in TPM
 * 2.0 key files. The TPM makes the same one each time, until it is cleared.
 */
const PRIMARY = ['-C', 'o', '-G', 'ecc256:null:aes128cfb', '-g', 'sha256'];
const PRIMARY_ATTRIBUTES = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt';
/** Never leaves this TPM. Without PCRs it opens for whoever may ask it; with them by their policy alone. */
const SEALED_ATTRIBUTES = 'fixedtpm|fixedparent|noda';

/** What the tools hand on to each other, in a folder that is gone afterwards. No secret is among it. */
const withFolder = async <T>(work: (path: (name: string) => string) => Promise<T>): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'aviary-tpm-'));
  try {
    return await work((name) => join(folder, name));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

type PathOf = (name: string) => string;

/** Seals small secrets by the board's TPM 2.0. Takes up to a few seconds: for starts, not for each frame. */
export class Tpm {
  readonly #tools: TpmTools;

  constructor(tools: TpmTools = new TpmTools()) {
    this.#tools = tools;
  }

  /**
   * Seals a secret, and has opened it once when this resolves.
   * @param secret at most 128 bytes
   * @param pcrs whose values of now are asked for whenever it is opened; null: none
   * @throws PcrSelectionError; TpmUnavailableError
   */
  async seal(secret: Uint8Array, pcrs: string | null): Promise<TpmSeal> {
    await this.#tools.demand();
    const seal = await withFolder(async (path) => {
      const parent = await this.#primary(path);
      const policy = pcrs === null ? [] : await this.#policy(path, pcrs);
      const attributes = pcrs === null ? `${SEALED_ATTRIBUTES}|userwithauth` : SEALED_ATTRIBUTES;
      const [pub, priv] = [path('sealed.pub'), path('sealed.priv')];
      await this.#inSession(path, null, async (session) => {
        const what = ['-Q', '-C', parent, '-P', session, '-a', attributes, ...policy, '-i', '-', '-u', pub, '-r', priv];
        await this.#tools.run('tpm2_create', what, secret);
      });
      const [publicPart, privatePart] = await Promise.all([readFile(pub, 'base64'), readFile(priv, 'base64')]);
      return { version: 1, by: 'tpm', pcrs, public: publicPart, private: privatePart } as const;
    });
    const opened = await this.unseal(seal);
    if (!opened.equals(secret)) throw new Error('the TPM opens something else than it has sealed');
    return seal;
  }

  /** @throws SealLostError; TpmUnavailableError */
  async unseal(seal: TpmSeal): Promise<Buffer> {
    await this.#tools.demand();
    return withFolder(async (path) => {
      const [pub, priv, object] = [path('sealed.pub'), path('sealed.priv'), path('sealed.ctx')];
      await writeFile(pub, Buffer.from(seal.public, 'base64'));
      await writeFile(priv, Buffer.from(seal.private, 'base64'));
      const parent = await this.#primary(path);
      await this.#tools.run('tpm2_load', ['-Q', '-C', parent, '-u', pub, '-r', priv, '-c', object]);
      return this.#inSession(path, seal.pcrs, (session) =>
        this.#tools.run('tpm2_unseal', ['-Q', '-c', object, '-p', session]),
      );
    });
  }

  async #primary(path: PathOf): Promise<string> {
    const context = path('primary.ctx');
    await this.#tools.run('tpm2_createprimary', ['-Q', ...PRIMARY, '-a', PRIMARY_ATTRIBUTES, '-c', context]);
    return context;
  }

  /** @returns arguments of `tpm2_create` that bind to the values of now */
  async #policy(path: PathOf, pcrs: string): Promise<string[]> {
    checkPcrs(pcrs, (await this.#tools.run('tpm2_pcrread', [pcrs])).toString());
    const policy = path('pcrs.policy');
    await this.#tools.run('tpm2_createpolicy', ['-Q', '--policy-pcr', '-l', pcrs, '-L', policy]);
    return ['-L', policy];
  }

  /** Encrypts what goes to the TPM and comes back, so that the bus on the board does not tell it to who listens. */
  async #inSession<T>(path: PathOf, pcrs: string | null, work: (session: string) => Promise<T>): Promise<T> {
    const session = path('session.ctx');
    const kind = pcrs === null ? '--hmac-session' : '--policy-session';
    await this.#tools.run('tpm2_startauthsession', [kind, '-c', path('primary.ctx'), '-S', session]);
    try {
      await this.#tools.run('tpm2_sessionconfig', [session, '--enable-encrypt', '--enable-decrypt']);
      if (pcrs !== null) await this.#tools.run('tpm2_policypcr', ['-Q', '-S', session, '-l', pcrs]);
      return await work(`session:${session}`);
    } finally {
      // The TPM remembers it until then, also when it has refused.
      await this.#tools.run('tpm2_flushcontext', [session]).catch(() => undefined);
    }
  }
}
