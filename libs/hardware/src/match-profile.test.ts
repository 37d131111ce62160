import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EXAMPLE_BOARDS, exampleFacts } from './example-facts.ts';
import type { DeviceFacts } from './facts.ts';
import { matchProfile, specificity } from './match-profile.ts';
import { type Profile, ProfileError, parseProfile } from './profile.ts';

const folder = new URL('../../../firmware-profiles/', import.meta.url);
const profiles: Profile[] = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => parseProfile(JSON.parse(readFileSync(new URL(name, folder), 'utf8'))));

/** Profiles that hold of a board beside its own, which asks for more. */
const ALSO: Readonly<Record<string, readonly string[]>> = { 'rpi-coral-usb': ['rpi4'], 'rpi5-hailo8l': ['rpi5'] };

const profileOf = (id: string): Profile => {
  const profile = profiles.find((one) => one.id === id);
  if (profile === undefined) throw new Error(`expected a profile ${id}`);
  return profile;
};

describe('firmware-profiles', () => {
  it('have an example board each', () => {
    expect(profiles.map(({ id }) => id).sort()).toEqual([...EXAMPLE_BOARDS].sort());
    expect(profiles).toHaveLength(9);
  });

  const table = EXAMPLE_BOARDS.flatMap((board) => profiles.map(({ id }) => ({ board, id })));

  it.each(table)('$id and the board $board', ({ board, id }) => {
    const alone = matchProfile(exampleFacts(board), [profileOf(id)]);
    const holds = id === board || ALSO[board]?.includes(id) === true;
    expect(alone.profile?.id ?? null).toBe(holds ? id : null);
    expect(matchProfile(exampleFacts(board), profiles).profile?.id === id).toBe(id === board);
  });

  it('do not depend on their order', () => {
    for (const board of EXAMPLE_BOARDS) {
      expect(matchProfile(exampleFacts(board), [...profiles].reverse()).profile?.id).toBe(board);
    }
  });
});

describe('matchProfile', () => {
  const rpi5 = exampleFacts('rpi5');

  it('takes a board without its accelerator for the plain board', () => {
    expect(matchProfile({ ...exampleFacts('rpi5-hailo8l'), accelerators: [] }, profiles).profile?.id).toBe('rpi5');
    expect(matchProfile({ ...exampleFacts('rpi-coral-usb'), accelerators: [] }, profiles).profile?.id).toBe('rpi4');
    expect(matchProfile({ ...exampleFacts('coral-dev-board'), accelerators: [] }, profiles).profile).toBeNull();
  });

  it('knows the Coral stick on either board, before and after its first use', () => {
    const [coral] = exampleFacts('rpi-coral-usb').accelerators;
    for (const id of ['1a6e:089a', '18d1:9302']) {
      const accelerators = coral === undefined ? [] : [{ ...coral, id }];
      expect(matchProfile({ ...rpi5, accelerators }, profiles).profile?.id).toBe('rpi-coral-usb');
    }
  });

  it.each<[string, Partial<DeviceFacts['accelerators'][number]>]>([
    ['another id', { id: '1e60:0000' }],
    ['no id', { id: undefined }],
    ['another kind', { kind: 'tpu' }],
  ])('does not take an accelerator with %s for the one that is asked for', (_, changed) => {
    const facts = exampleFacts('rpi5-hailo8l');
    const accelerators = facts.accelerators.map((one) => ({ ...one, ...changed })) as DeviceFacts['accelerators'];
    expect(matchProfile({ ...facts, accelerators }, profiles).profile?.id).toBe('rpi5');
  });

  // What such boards say on carriers of others, and in other power modes: meta-tegra's wiki, and tegra.yaml of Linux.
  it.each([
    ['nvidia,p3768-0000+p3767-0005-super', 'jetson-orin-nano'],
    ['nvidia,p3509-0000+p3767-0005', 'jetson-orin-nano'],
    ['nvidia,p3509-0000+p3668-0001', 'jetson-xavier-nx'],
    ['nvidia,p3449-0000+p3668-0003', 'jetson-xavier-nx'],
    ['nvidia,p3737-0000+p3701-0008', 'jetson-agx-orin'],
    // An Orin NX, of which there is no profile.
    ['nvidia,p3768-0000+p3767-0000', null],
    ['nvidia,p3767-0005+p3767-0000', null],
  ])('knows a module by the name of its carrier and itself, as in %s', (compatible, id) => {
    const facts = { ...exampleFacts('jetson-orin-nano'), deviceTree: { model: 'x', compatible: [compatible] } };
    expect(matchProfile(facts, profiles).profile?.id ?? null).toBe(id);
  });

  it('says why it fits, check by check', () => {
    expect(matchProfile(exampleFacts('rpi5-hailo8l'), profiles).reasons).toEqual([
      'fits: architecture arm64, wanted arm64',
      'fits: device tree says raspberrypi,5-model-b',
      'fits: has Hailo Hailo-8L (1e60:2864)',
    ]);
  });

  it('says what each profile missed when none fits', () => {
    const { deviceTree: _, ...unknown } = rpi5;
    const { profile, reasons, candidates } = matchProfile(unknown, profiles);
    expect(profile).toBeNull();
    expect(reasons).toHaveLength(profiles.length);
    expect(reasons).toContain('rpi5: does not fit: no device tree, wanted raspberrypi,5-model-b');
    expect(reasons).toContain('x86-64: does not fit: architecture arm64, wanted x64');
    expect(candidates.every(({ matched }) => !matched)).toBe(true);
  });

  it('says which device tree it saw, and that an empty one is none', () => {
    const seen = (compatible: string[]) =>
      matchProfile({ ...rpi5, deviceTree: { model: 'x', compatible } }, [profileOf('rpi5')]).reasons;
    expect(seen(['radxa,zero'])).toEqual(['rpi5: does not fit: radxa,zero, wanted raspberrypi,5-model-b']);
    expect(seen([])).toEqual(['rpi5: does not fit: no device tree, wanted raspberrypi,5-model-b']);
  });

  it('keeps every candidate with its reasons', () => {
    const { candidates } = matchProfile(rpi5, profiles);
    expect(candidates.map(({ profile }) => profile.id)).toEqual(profiles.map(({ id }) => id));
    const hailo = candidates.find(({ profile }) => profile.id === 'rpi5-hailo8l');
    expect(hailo?.reasons.at(-1)).toBe('does not fit: no npu with id 1e60:2864');
  });

  it('has nothing to offer without profiles', () => {
    expect(matchProfile(rpi5, [])).toEqual({ profile: null, reasons: [], candidates: [] });
  });

  it('takes the first by id of two that ask for as much', () => {
    const twin = { ...profileOf('rpi5'), id: 'a-twin' };
    expect(matchProfile(rpi5, [profileOf('rpi5'), twin]).profile?.id).toBe('a-twin');
    expect(matchProfile(rpi5, [twin, profileOf('rpi5')]).profile?.id).toBe('a-twin');
  });

  it('lets an accelerator weigh more than a board, and a board more than nothing', () => {
    const { match } = profileOf('rpi5-hailo8l');
    const weight = (part: Partial<Profile['match']>) =>
      specificity({ ...profileOf('rpi5'), match: { arch: ['arm64'], ...part } });
    expect(weight({})).toBe(0);
    expect(weight({ deviceTree: match.deviceTree })).toBeGreaterThan(weight({}));
    expect(weight({ accelerator: match.accelerator })).toBeGreaterThan(weight({ deviceTree: match.deviceTree }));
    expect(weight(match)).toBeGreaterThan(weight({ accelerator: match.accelerator }));
  });
});

describe('parseProfile', () => {
  const good = profileOf('rpi5-hailo8l');

  it('takes what it gave', () => {
    expect(parseProfile(JSON.parse(JSON.stringify(good)))).toEqual(good);
  });

  it.each<[string, unknown, RegExp]>([
    ['an id with capitals', { ...good, id: 'RPi5' }, /words of a-z and 0-9 with hyphens[\s\S]*at id/],
    ['an id that ends in a hyphen', { ...good, id: 'rpi5-' }, /at id/],
    ['no architecture', { ...good, match: { ...good.match, arch: [] } }, /at match\.arch/],
    ['a slip in a name', { ...good, throtleC: 80 }, /Unrecognized key: "throtleC"/],
    ['a slip inside', { ...good, match: { ...good.match, devicetree: [] } }, /"devicetree"[\s\S]*at match/],
    ['no runtimes', { ...good, runtimes: [] }, /at runtimes/],
    [
      'a format nobody reads',
      { ...good, runtimes: [{ ...good.runtimes[0], formats: ['pb'] }] },
      /at runtimes\[0\]\.formats\[0\]/,
    ],
    ['no source', { ...good, sources: [] }, /at sources/],
    ['a source that is no address', { ...good, sources: ['the manual'] }, /at sources\[0\]/],
    ['nothing', null, /expected object/],
  ])('refuses %s and says where', (_, value, message) => {
    expect(() => parseProfile(value)).toThrow(ProfileError);
    expect(() => parseProfile(value)).toThrow(message);
  });

  it('names every wrong place at once', () => {
    expect(() => parseProfile({ ...good, memoryMB: 0, vendor: '' })).toThrow(
      /vendor[\s\S]*memoryMB|memoryMB[\s\S]*vendor/,
    );
  });
});
