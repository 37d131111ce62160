import type { TrustChange, TrustOutcome, TrustState } from '@aviary/protocol';
import {
  createFleetTarget,
  createRoot,
  createTargets,
  DIRECTOR_TARGET,
  encodeMetadata,
  type ReleaseStatement,
  STOPPED_TARGET,
  signMetadata,
  targetsOf,
} from '@aviary/release';
import { newSigner } from '@aviary/release/testing';

const YEAR_MS = 365 * 86_400_000;

/** The image repository of a control plane, in this process or over HTTP. */
export interface TrustApi {
  state(): Promise<TrustState>;
  found(change: TrustChange): Promise<TrustOutcome>;
  change(change: TrustChange): Promise<TrustOutcome>;
}

/** Somebody who holds a root key and a publisher key, and publishes statements of releases without building them. */
export class TestPublisher {
  readonly rootSigner = newSigner();
  readonly signer = newSigner();
  #version = 1;
  readonly #statements = new Map<string, ReleaseStatement>();
  #directorTarget: ReturnType<typeof createFleetTarget>['target'] | undefined;
  readonly #trust: TrustApi;

  private constructor(trust: TrustApi) {
    this.#trust = trust;
  }

  /** Founds the image repository. */
  static async found(trust: TrustApi): Promise<TestPublisher> {
    const publisher = new TestPublisher(trust);
    await trust.found(await publisher.founding());
    return publisher;
  }

  /** What founds it. */
  async founding(): Promise<TrustChange> {
    const { onlineKeys } = await this.#trust.state();
    const online = (role: 'snapshot' | 'timestamp' | 'director') =>
      onlineKeys.filter((key) => key.role === role).map(({ publicKey }) => ({ name: 'control plane', publicKey }));
    const mine = ({ publicKeyPem }: { publicKeyPem: string }) => ({
      threshold: 1,
      keys: [{ name: 'tester', publicKey: publicKeyPem }],
    });
    const root = createRoot({
      version: 1,
      expires: Date.now() + YEAR_MS,
      roles: {
        root: mine(this.rootSigner),
        targets: mine(this.signer),
        snapshot: { threshold: 1, keys: online('snapshot') },
        timestamp: { threshold: 1, keys: online('timestamp') },
      },
    });
    signMetadata(root, [this.rootSigner]);
    const director = createFleetTarget(DIRECTOR_TARGET, { keys: online('director') });
    this.#directorTarget = director.target;
    return {
      root: encodeMetadata(root),
      ...this.#targets([]),
      files: [director.bytes.toString('base64'), this.#stopped([]).content],
    };
  }

  /** Publishes releases beside those before; what they need is uploaded already. */
  async publish(statements: readonly ReleaseStatement[], ageHeader: string): Promise<TrustOutcome> {
    const version = this.#version;
    try {
      return await this.#trust.change(this.publication(statements, ageHeader));
    } catch (error) {
      for (const { release } of statements) this.#statements.delete(release);
      this.#version = version;
      throw error;
    }
  }

  /** What publishes them; counts as published. */
  publication(statements: readonly ReleaseStatement[], ageHeader: string): TrustChange {
    for (const statement of statements) this.#statements.set(statement.release, statement);
    this.#version += 1;
    const paths = statements.flatMap(({ targets }) => targets.map(({ path }) => path));
    return { ...this.#targets([]), variants: paths.map((path) => ({ path, ageHeader })) };
  }

  /** Takes releases back, and stops them. */
  async revoke(...names: readonly string[]): Promise<TrustOutcome> {
    for (const name of names) this.#statements.delete(name);
    this.#version += 1;
    return this.#trust.change({ ...this.#targets(names), files: [this.#stopped(names).content] });
  }

  #stopped(releases: readonly string[]) {
    const { target, bytes } = createFleetTarget(STOPPED_TARGET, { releases: [...releases] });
    return { target, content: bytes.toString('base64') };
  }

  #targets(stopped: readonly string[]): { targets: string } {
    const files = [...this.#statements.values()].flatMap((statement) => targetsOf(statement));
    if (this.#directorTarget === undefined) throw new Error('the image repository was not founded');
    const all = [...files, this.#directorTarget, this.#stopped(stopped).target];
    const targets = createTargets({ version: this.#version, expires: Date.now() + YEAR_MS }, all);
    signMetadata(targets, [this.signer]);
    return { targets: encodeMetadata(targets) };
  }
}
