import type { ExecutionState } from '@aviary/rollout';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { Services } from '../../apps/control-plane/src/roles/services.ts';
import { insertDevice, insertRelease, variantRow } from './rows.ts';
import { TestDatabase } from './test-database.ts';
import { openTestServices } from './test-services.ts';

/** What the fleet runs before, and the release that is rolled out to it. */
export const BEFORE = 'meter@1.0.0';
export const RELEASE = 'meter@2.0.0';
const VARIANT = variantRow('meter', '2.0.0', ['rpi5'], 1_000);
const DIGEST = VARIANT.plaintextSha256;

export interface ExecutionRow {
  readonly id: string;
  readonly deviceId: string;
  readonly state: ExecutionState;
  readonly reason: string | null;
  readonly notBefore: Date;
}

/** Rollouts of a release over a few devices: the real services, and a database that is empty before each test but for two releases. */
export const rolloutRig = () => {
  let t: TestDatabase;
  let services: Services;
  beforeAll(async () => {
    t = await TestDatabase.start();
    services = await openTestServices(t);
  });
  afterAll(async () => {
    await services?.database.stop();
    await t?.stop();
  });
  beforeEach(async () => {
    await t.clear();
    await insertRelease(t, BEFORE, 1);
    await insertRelease(t, RELEASE, 2, [VARIANT]);
    await t.query(
      `insert into variant (release, id, target, sha256, length, plaintext_sha256, sealed_file_key)
       values ($1, 'onnx-fp32', $2, repeat('d', 64), 1000, $3, '')`,
      [RELEASE, JSON.stringify(VARIANT), DIGEST],
    );
  });

  const executionsOf = (id: string) =>
    t.query<ExecutionRow>(
      `select id, device_id as "deviceId", state, reason, case when not_before > '-infinity' then not_before end as "notBefore"
       from execution where rollout_id = $1 order by device_id`,
      [id],
    );

  return {
    get t() {
      return t;
    },
    get services() {
      return services;
    },

    /** Devices `d-00`, `d-01`, … that run the release before. */
    async addFleet(count: number): Promise<void> {
      for (let n = 0; n < count; n += 1) await insertDevice(t, `d-${String(n).padStart(2, '0')}`, { running: BEFORE });
      await t.query(
        `insert into assignment (device_id, sequence, release, variant) select id, 1, $1, 'onnx-fp32' from device`,
        [BEFORE],
      );
    },

    async create(strategy: object, rest: object = {}, by = 'ana'): Promise<string> {
      return (await services.rollouts.create({ release: RELEASE, strategy, gates: [], ...rest }, by)).id;
    },

    /** Lets the conductor's steps run until there is nothing to do at once. */
    async settle(id: string): Promise<void> {
      for (let step = 0; await services.steps.step(id); step += 1) {
        if (step > 50) throw new Error('expected to come to rest');
      }
    },

    executionsOf,

    async inState(id: string, state: ExecutionState): Promise<ExecutionRow[]> {
      return (await executionsOf(id)).filter((execution) => execution.state === state);
    },

    /** The device says how far it is. */
    report(execution: ExecutionRow, state: ExecutionState, at = Date.now()): Promise<unknown> {
      return t.database.transaction((sql) =>
        services.executions.report(sql, execution.deviceId, {
          type: 'execution',
          at,
          executionId: execution.id,
          state,
          ...(state === 'SUCCEEDED' ? { digest: DIGEST } : {}),
          ...(state === 'FAILED' ? { reason: { code: 'download-failed', message: 'the mirror was down' } } : {}),
        }),
      );
    },

    show: (id: string) => services.rollouts.show(id),
  };
};
