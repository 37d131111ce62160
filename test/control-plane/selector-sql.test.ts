import { type DeviceFacts, EXAMPLE_BOARDS, exampleFacts } from '@aviary/hardware';
import {
  matchesSelector,
  parseSelector,
  type SelectableDevice,
  type Selector,
  type SelectorKey,
} from '@aviary/rollout';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selectorToSql, targetToSql } from '../../apps/control-plane/src/features/devices/selector-sql.ts';
import { insertFleet } from '../support/rows.ts';
import { TestDatabase } from '../support/test-database.ts';

const RUNNING = Array.from({ length: 20 }, (_, index) => `model-${index % 10}@1.${index}.0`);

let t: TestDatabase;
beforeAll(async () => {
  t = await TestDatabase.start();
});
afterAll(() => t?.stop());

describe('indexes', () => {
  beforeAll(async () => {
    await t.clear();
    await insertFleet(t, 30_000, { running: RUNNING });
    await t.query('vacuum analyze device');
  });

  const planOf = async (selector: string, compile = selectorToSql): Promise<string> => {
    const { where, parameters } = compile(parseSelector(selector));
    const lines = await t.query<{ 'QUERY PLAN': string }>(
      `explain select d.id from device d where ${where}`,
      parameters,
    );
    return lines.map((line) => line['QUERY PLAN']).join('\n');
  };

  it.each([
    ['id = d-0000007', 'device_pkey'],
    ['id in (d-0000007, d-0000008)', 'device_pkey'],
    ['name = "name of 7"', 'device_name'],
    ['profile in (jetson-agx-orin)', 'device_stratum'],
    ['release = model-3@1.3.0', 'device_running_release'],
    ['model = model-3', 'device_running_model'],
    ['presence = offline', 'device_presence'],
    ['site = site-7', 'device_labels'],
    ['site in (site-7, site-8)', 'device_labels'],
    ['site = site-7 and ring = canary', 'device_labels'],
    ['fact.os = "Mendel GNU/Linux 5"', 'device_facts'],
    ['fact.accelerators.kind = tpu', 'device_facts'],
    ['fact.deviceTree.compatible = "fsl,imx8mq"', 'device_facts'],
    ['fact.cpu.cores = 16', 'device_facts'],
    ['fact.simulated = true', 'device_facts'],
    ['fact.memoryMB >= 64000', 'device_fact_memory'],
    ['fact.memoryMB < 2000', 'device_fact_memory'],
    ['fact.diskFreeMB < 500', 'device_fact_disk'],
    ['fact.cpu.cores > 8', 'device_fact_cores'],
    ['not fact.os != "Mendel GNU/Linux 5"', 'device_facts'],
    ['site = site-7 and fact.memoryMB >= 4000 and presence != offline', 'device_labels'],
    ['site = site-7 or id = d-0000007', 'device_labels'],
  ])('%s is found by %s', async (selector, index) => {
    for (const compile of [selectorToSql, targetToSql]) {
      const plan = await planOf(selector, compile);
      expect(plan).toMatch(new RegExp(`(on|using) ${index}\\b`));
      expect(plan).not.toContain('Seq Scan');
    }
  });

  it('what differs from something is nearly everything, and read row by row', async () => {
    expect(await planOf('site != site-7')).toContain('Seq Scan');
    expect(await planOf('site = site-7 or ring != canary')).toContain('Seq Scan');
  });
});

const TEXTS = ['a', 'b', 'a@1.0.0', 'online', 'rpi5', ''] as const;
const KEYS: readonly SelectorKey[] = [
  { attribute: 'id' },
  { attribute: 'name' },
  { attribute: 'profile' },
  { attribute: 'release' },
  { attribute: 'model' },
  { attribute: 'presence' },
  { label: 'site' },
  { label: `o'clock "x" \\` },
  { label: 'profile' },
];
const FACT_VALUES: Readonly<Record<string, readonly string[]>> = {
  arch: ['x64', 'arm64'],
  glibc: ['2.36', '2.28'],
  memoryMB: ['3793', '8052', '500'],
  'cpu.cores': ['4', '6'],
  'accelerators.kind': ['npu', 'tpu', 'gpu'],
  'accelerators.memoryMB': ['2048', '4096'],
  'runtimes.providers': ['cpu', 'cuda'],
  'runtimes.name': ['tensorrt', 'hailort'],
  'deviceTree.compatible': ['brcm,bcm2712', 'nvidia,tegra234'],
  simulated: ['true', 'false'],
  l4t: ['36.4.3'],
};

const anyDevice = fc.record({
  name: fc.constantFrom('a', 'b'),
  profile: fc.constantFrom('rpi5', 'a', null),
  release: fc.constantFrom('a@1.0.0', 'b@1.0.0', null),
  presence: fc.constantFrom('online', 'offline'),
  labels: fc.dictionary(fc.constantFrom('site', `o'clock "x" \\`, 'profile'), fc.constantFrom(...TEXTS)),
  facts: fc
    .record({
      board: fc.constantFrom(...EXAMPLE_BOARDS),
      simulated: fc.constantFrom(true, false, undefined),
      acceleratorMB: fc.constantFrom(2048, 4096, undefined),
    })
    .map(({ board, simulated, acceleratorMB }): DeviceFacts => {
      const facts = exampleFacts(board);
      const accelerators = facts.accelerators.map((accelerator) => ({ ...accelerator, memoryMB: acceleratorMB }));
      return JSON.parse(JSON.stringify({ ...facts, simulated, accelerators })) as DeviceFacts;
    }),
});

const factCase = fc.constantFrom(...Object.keys(FACT_VALUES));
const values = (of: readonly string[]) => fc.subarray([...of], { minLength: 1 });
const anyLeaf: fc.Arbitrary<Selector> = fc.oneof(
  fc.constant<Selector>({ kind: 'all' }),
  fc.constantFrom(...KEYS).map((key): Selector => ({ kind: 'has', key })),
  factCase.map((fact): Selector => ({ kind: 'has', key: { fact } })),
  fc.tuple(fc.constantFrom(...KEYS), values(TEXTS)).map(([key, of]): Selector => ({ kind: 'in', key, values: of })),
  factCase.chain((fact) =>
    values(FACT_VALUES[fact] ?? []).map((of): Selector => ({ kind: 'in', key: { fact }, values: of })),
  ),
  fc
    .record({
      fact: fc.constantFrom('memoryMB', 'cpu.cores', 'diskFreeMB', 'accelerators.memoryMB'),
      comparison: fc.constantFrom('<', '<=', '>', '>=' as const),
      value: fc.constantFrom(4, 4.5, 2048, 3793, 8052, 20_000),
    })
    .map((compare): Selector => ({ kind: 'compare', ...compare })),
);
const { anySelector } = fc.letrec<{ anySelector: Selector }>((tie) => {
  const operands = fc.array(tie('anySelector'), { minLength: 2, maxLength: 3 });
  return {
    anySelector: fc.oneof(
      { maxDepth: 4 },
      anyLeaf,
      tie('anySelector').map((operand): Selector => ({ kind: 'not', operand })),
      operands.map((some): Selector => ({ kind: 'and', operands: some })),
      operands.map((some): Selector => ({ kind: 'or', operands: some })),
    ),
  };
});

it('SQL finds exactly the devices that a selector means', async () => {
  await t.clear();
  const devices = fc.sample(anyDevice, { numRuns: 300, seed: 5 }).map((device, index) => ({
    ...device,
    id: index < TEXTS.length ? `${TEXTS[index]}` : `d-${index}`,
  }));
  await t.query(
    `insert into device (id, name, labels, facts, profile, recipient, certificate_fingerprint, certificate_expires_at,
       presence, running_release)
     select id, name, labels, facts, profile, 'age1', 'f', now(), presence, release
     from jsonb_to_recordset($1::jsonb) as t (id text, name text, labels jsonb, facts jsonb, profile text, presence text, release text)`,
    [JSON.stringify(devices)],
  );
  const selectable = devices.map(({ id, name, profile, presence, release, labels, facts }) => {
    const model = release?.split('@')[0] ?? null;
    const of: SelectableDevice = { attributes: { id, name, profile, presence, release, model }, labels, facts };
    return { id, of };
  });
  let told = 0;
  await fc.assert(
    fc.asyncProperty(anySelector, async (selector) => {
      const { where, parameters } = selectorToSql(selector);
      const found = await t.query<{ id: string }>(`select d.id from device d where ${where}`, parameters);
      const meant = selectable.filter(({ of }) => matchesSelector(selector, of)).map(({ id }) => id);
      expect(found.map(({ id }) => id).sort()).toEqual(meant.sort());
      if (meant.length > 0 && meant.length < devices.length) told += 1;
    }),
    { numRuns: 600 },
  );
  // Selectors that mean all devices or none would prove little.
  expect(told).toBeGreaterThan(200);
});
