import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiError } from '@aviary/protocol';
import { parseRolloutSpec, RolloutSpecError } from '@aviary/rollout';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readYaml, type WrittenYaml } from './read-yaml.ts';
import { UsageError } from './usage-error.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aviary-yaml-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const read = async (text: string): Promise<WrittenYaml> => {
  const path = join(folder, 'rollout.yaml');
  await writeFile(path, text);
  return readYaml(path, 'a rollout specification', 'The docs show them all.');
};

/** As the control plane refuses it. */
const ask = async (yaml: WrittenYaml): Promise<void> => {
  try {
    parseRolloutSpec(yaml.keys);
  } catch (error) {
    if (!(error instanceof RolloutSpecError)) throw error;
    const { code, message, problems } = error;
    const said = { type: 'about:blank', title: 'refused', status: 400, code, detail: message };
    throw new ApiError({ ...said, problems: [...problems] });
  }
};
const refusalOf = async (text: string): Promise<string[]> => {
  const yaml = await read(text);
  const error = await yaml.asked(() => ask(yaml)).catch((thrown: unknown) => thrown);
  if (!(error instanceof UsageError)) throw new Error(`expected a refusal, got ${error}`);
  return error.message.replaceAll(`${folder}/`, '').split('\n  ').slice(1);
};

describe('a rollout.yaml that cannot be followed', () => {
  it('is told all that is wrong with it, each by line and column', async () => {
    const text = `release: meter-reader@1.4.0
targets: all
strategy:
  waves:
    - { size: 20% }
    - { size: 10% }
    - size: 100%
  window: { cron: "0 0 30 2 *", duration: 3h }
gates:
  - latencyP95: { versus: control, margin: 15% }
`;
    expect(await refusalOf(text)).toEqual([
      'rollout.yaml:6:9 strategy.waves.1.size: expected more than the wave before: sizes are cumulative',
      'rollout.yaml:8:13 strategy.window.cron: expected a cron that fires some day, got "0 0 30 2 *", which never does',
      'rollout.yaml:2:1 targets: unknown: there is no such setting here',
    ]);
  });

  it('is told what does not go together, at the place that needs the other', async () => {
    const text = 'release: m@1.0.0\ngates:\n  - latencyP95: { versus: control, margin: 15% }\n';
    expect(await refusalOf(text)).toEqual([
      'rollout.yaml:3:19 gates.0.latencyP95.versus: expected a control group to compare with: set strategy.control, e.g. 10%',
    ]);
  });

  it('is told where something is missing', async () => {
    expect(await refusalOf('target: all\ngates:\n  - execution: {}\n')).toEqual([
      'rollout.yaml:1:1 release: expected model@version, e.g. meter-reader@1.4.0, got nothing',
      expect.stringMatching(
        /^rollout\.yaml:3:5 gates\.0\.execution\.maxFailureRate: expected a share .*, got nothing$/,
      ),
    ]);
  });

  it('is told where it is no YAML, everywhere', async () => {
    const error = await read('release: [\ntarget: "x\nrelease: b\n').catch((thrown: Error) => thrown);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).toMatch(/Expected YAML in .*\n {2}.*rollout\.yaml:\d+:\d+ /);
  });
});

it('leaves errors alone that name no place', async () => {
  const yaml = await read('release: m@1.0.0\n');
  const gone = new ApiError({ type: 'about:blank', title: 'x', status: 404, code: 'release-unknown', detail: 'no' });
  await expect(yaml.asked(() => Promise.reject(gone))).rejects.toBe(gone);
});
