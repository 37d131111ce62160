import type { ExecutionState } from '@aviary/rollout';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { Services } from '../../apps/control-plane/src/roles/services.ts';
import { insertDevice, insertRelease, variantRow } from './rows.ts';
import { TestDatabase } from './test-database.ts';
import { openTestServices } from './test-services.ts';

/** What the fleet runs before, and the release that is rolled out to it. */
export const BEFORE = 'meter@1.0.0';
export const RELEASE = 'meter@2.0.0';
const PROFILES = ['rpi4', 'rpi5', 'rpi5-hailo8l', 'jetson-orin-nano'];

/** What tells a release's bytes from those of another: the first digit of its version. */
export const digestOf = (release: string): string => (/@(\d)/.exec(release)?.[1] ?? '').repeat(64);

export interface ExecutionRow {
  readonly id: string;
  readonly deviceId: string;
  readonly kind: 'install' | 'rollback';
  readonly state: ExecutionState;
  readonly code: string | null;
  readonly reason: string | null;
  /** What the device had before. */
  readonly from: string | null;
  /** What the rollout brings. */
  readonly release: string;
  readonly notBefore: Date;
}

/** Rollouts of a release over a few devices: the real services, and a database that is empty before each test but for two releases. */
export const rolloutRig = () => {
  let t: TestDatabase;
  let services: Services;
  let others: Services;
  beforeAll(async () => {
    t = await TestDatabase.start();
    services = await openTestServices(t);
    others = await openTestServices(t);
  });
  afterAll(async () => {
    await services?.database.stop();
    await others?.database.stop();
    await t?.stop();
  });
  beforeEach(async () => {
    await t.clear();
    await addRelease(BEFORE, 1);
    await addRelease(RELEASE, 2);
  });

  const addRelease = async (release: string, counter: number): Promise<void> => {
    const [model = '', version = ''] = release.split('@');
    const digest = digestOf(release);
    const variant = { ...variantRow(model, version, PROFILES, 1_000), plaintextSha256: digest };
    await insertRelease(t, release, counter, [variant]);
    await t.query(
      `insert into variant (release, id, target, sha256, length, plaintext_sha256, sealed_file_key)
       values ($1, 'onnx-fp32', $2, $3, 1000, $3, '')`,
      [release, JSON.stringify(variant), digest],
    );
  };

  const executionsOf = (id: string) =>
    t.query<ExecutionRow>(
      `select e.id, e.device_id as "deviceId", e.kind, e.state, e.reason_code as code, e.reason, e.from_release as "from",
         r.release, case when e.not_before > '-infinity' then e.not_before end as "notBefore"
       from execution e join rollout r on r.id = e.rollout_id where r.id = $1 order by e.device_id, e.kind`,
      [id],
    );

  const report = (execution: ExecutionRow, state: ExecutionState, at = Date.now()): Promise<unknown> =>
    t.database.transaction((sql) =>
      services.executions.report(sql, execution.deviceId, {
        type: 'execution',
        at,
        executionId: execution.id,
        state,
        ...(state === 'SUCCEEDED' ? { digest: digestOf(execution.release) } : {}),
        ...(state === 'FAILED' ? { reason: { code: 'download-failed', message: 'the mirror was down' } } : {}),
      }),
    );

  return {
    get t() {
      return t;
    },
    get services() {
      return services;
    },
    /** As a second process has them. */
    get others() {
      return others;
    },

    /** A further release of the same model, for every board of the fleet. */
    addRelease,

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
    async settle(id: string, process = services): Promise<void> {
      for (let step = 0; await process.steps.step(id); step += 1) {
        if (step > 100) throw new Error('expected to come to rest');
      }
    },

    executionsOf,

    async inState(id: string, state: ExecutionState): Promise<ExecutionRow[]> {
      return (await executionsOf(id)).filter((execution) => execution.state === state);
    },

    /** The device says how far it is. */
    report,

    /** Devices that were told, all or those of these ids, say that they run what the rollout brings. */
    async succeed(id: string, devices?: readonly string[]): Promise<void> {
      for (const execution of await executionsOf(id)) {
        const { deviceId, state, release } = execution;
        if (state !== 'NOTIFIED' || devices?.includes(deviceId) === false) continue;
        await report(execution, 'SUCCEEDED');
        await t.database.transaction(async (sql) => {
          const running = { type: 'running', at: 0, release, digest: digestOf(release) } as const;
          await services.devices.recordRunning(sql, deviceId, running);
          await services.executions.noticeRunning(sql, deviceId, release);
        });
      }
    },

    show: (id: string) => services.rollouts.show(id),
  };
};
