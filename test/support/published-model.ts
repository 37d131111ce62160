import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Role } from '@aviary/protocol';
import { type ReleaseTarget, releaseStatementSchema } from '@aviary/release';
import { type Ended, runAviary } from './run-aviary.ts';
import { TestAdminPlane } from './test-admin-plane.ts';
import { writeTestModel } from './test-model.ts';

/** What is published, in the variants `plain` and `other`. */
export const RELEASE = 'grey@1.0.0';

/** An admin plane to which the built command has pushed a release, and those who may ask for it. */
export class PublishedModel {
  readonly #tokens = new Map<Role, string>();

  private constructor(
    readonly plane: TestAdminPlane,
    /** A user's home: the publisher's key, what is pinned, and models. */
    readonly home: string,
  ) {}

  static async start(): Promise<PublishedModel> {
    const home = await mkdtemp(join(tmpdir(), 'aviary-published-'));
    await mkdir(join(home, 'tmp'));
    const model = new PublishedModel(await TestAdminPlane.start(), home);
    await model.#push();
    return model;
  }

  /** The folder that was pushed. */
  get folder(): string {
    return join(this.home, 'grey-1.0.0');
  }

  get keyPath(): string {
    return join(this.home, 'publisher.key');
  }

  /** An API token of a role; absent: the admin token. */
  token(role?: Role): string {
    return role === undefined ? this.plane.services.adminToken : (this.#tokens.get(role) ?? '');
  }

  /** Runs the command as a role. @param server address of whoever stands before the control plane, if anybody does */
  aviary(args: readonly string[], role?: Role, server = this.plane.server): Promise<Ended> {
    const environment = { AVIARY_SERVER: server, AVIARY_TOKEN: this.token(role), TMPDIR: join(this.home, 'tmp') };
    return runAviary(this.home, args, '', environment);
  }

  /** What is signed of a variant. */
  async target(id: string): Promise<ReleaseTarget> {
    const { statement } = await this.plane.admin.showRelease({ params: { release: RELEASE } });
    const found = releaseStatementSchema.parse(statement).targets.find(({ variant }) => variant === id);
    if (found === undefined) throw new Error(`${RELEASE} has no variant ${id}`);
    return found;
  }

  async stop(): Promise<void> {
    await this.plane.stop();
    await rm(this.home, { recursive: true, force: true });
  }

  async #push(): Promise<void> {
    for (const role of ['viewer', 'operator', 'publisher'] as const) {
      this.#tokens.set(role, (await this.plane.admin.createToken({ body: { name: role, role } })).token);
    }
    const folder = await writeTestModel(this.home, { version: '1.0.0', manner: 'sure' });
    await cp(join(folder, 'model.onnx'), join(folder, 'other.onnx'));
    const yaml = await readFile(join(folder, 'model.yaml'), 'utf8');
    const variants = '  - { id: plain, file: model.onnx }\n  - { id: other, file: other.onnx }';
    await writeFile(join(folder, 'model.yaml'), yaml.replace('  - file: model.onnx', variants));
    for (const args of [
      ['key', 'init', '--no-passphrase', '--name', 'ana'],
      ['model', 'push', folder],
    ]) {
      const { code, stderr } = await this.aviary([...args, '--key', this.keyPath]);
      if (code !== 0) throw new Error(`aviary ${args.join(' ')} ended with ${code}: ${stderr}`);
    }
  }
}
