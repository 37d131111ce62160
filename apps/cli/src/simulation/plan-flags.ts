import { EXAMPLE_BOARDS } from '@aviary/hardware';
import { labelsSchema, releaseNameSchema, type SimulatedFault } from '@aviary/protocol';
import { UsageError } from '../command-line/usage-error.ts';

/** A fleet of all boards that there are profiles for: many small ones, few large ones. */
export const USUAL_PROFILES =
  'rpi4=25%,rpi5=25%,x86-64=12%,jetson-orin-nano=12%,rpi5-hailo8l=8%,rpi-coral-usb=6%,coral-dev-board=4%,jetson-xavier-nx=4%,jetson-agx-orin=4%';
export const USUAL_LABELS = 'site=lyon,turin,porto,graz,bergen,cork';

/** @param text `30%`, or a number such as 0.3 */
const numberOf = (text: string): number | undefined => {
  const [, sign = '', digits, percent] = /^([+-]?)(\d+(?:\.\d+)?)(\s*%)?$/.exec(text.trim()) ?? [];
  if (digits === undefined) return undefined;
  return Number(`${sign}${digits}`) / (percent === undefined ? 1 : 100);
};

/** A share of the devices. @throws UsageError */
export const shareOf = (flag: string, text: string): number => {
  const share = numberOf(text);
  if (share !== undefined && share >= 0 && share <= 1) return share;
  throw new UsageError(`Expected a share such as 3% or 0.03 for --${flag}, got "${text}".`);
};

/** Splits at the first `=`. */
const pairOf = (text: string): readonly [string, string] | undefined => {
  const at = text.indexOf('=');
  return at <= 0 ? undefined : [text.slice(0, at).trim(), text.slice(at + 1).trim()];
};

const releaseOf = (flag: string, name: string): string => {
  if (releaseNameSchema.safeParse(name).success) return name;
  throw new UsageError(`Expected model@version before the "=" of --${flag}, e.g. meter-reader@1.1.0, got "${name}".`);
};

/** `3%`, or `meter-reader@1.1.0=3%` for one release only. @throws UsageError */
export const faultsOf = (flag: string, texts: readonly string[]): SimulatedFault[] => {
  const faults = texts.map((text) => {
    const [release, share] = pairOf(text) ?? [undefined, text];
    return {
      release: release === undefined ? null : releaseOf(flag, release),
      share: shareOf(flag, share),
    };
  });
  for (const { release } of faults) {
    const both = faults.filter((fault) => fault.release === null || fault.release === release);
    const sum = both.reduce((all, { share }) => all + share, 0);
    if (sum > 1)
      throw new UsageError(`Expected shares for --${flag} that are 100% together at most, got ${texts.join(' and ')}.`);
  }
  return faults;
};

/** `rpi5=60%,rpi4=40%`. @throws UsageError */
export const profilesOf = (text: string): Record<string, number> => {
  const shares = text.split(',').map((part) => {
    const [profile, share] = pairOf(part) ?? [];
    if (profile === undefined || share === undefined) {
      throw new UsageError(`Expected PROFILE=SHARE for --profiles, e.g. rpi5=60%,rpi4=40%, got "${part}".`);
    }
    if (!EXAMPLE_BOARDS.includes(profile)) {
      throw new UsageError(`Expected one of ${EXAMPLE_BOARDS.join(', ')} in --profiles, got "${profile}".`);
    }
    return [profile, shareOf('profiles', share)] as const;
  });
  const twice = shares.find(([profile], index) => shares.findIndex(([other]) => other === profile) !== index)?.[0];
  if (twice !== undefined) throw new UsageError(`Expected each profile once in --profiles, got ${twice} twice.`);
  const sum = shares.reduce((all, [, share]) => all + share, 0);
  if (Math.abs(sum - 1) > 1e-6) {
    throw new UsageError(
      `Expected shares that are 100% together for --profiles, got ${Number((sum * 100).toFixed(3))}%.`,
    );
  }
  return Object.fromEntries(shares.filter(([, share]) => share > 0));
};

/** `site=lyon,turin`: a label with its values. @throws UsageError */
export const labelsOf = (texts: readonly string[]): Record<string, string[]> => {
  const labels: Record<string, string[]> = {};
  for (const text of texts) {
    const [key, list] = pairOf(text) ?? [];
    const values = (list ?? '').split(',').map((value) => value.trim());
    const isRight =
      key !== undefined && values.every((value) => value !== '' && labelsSchema.safeParse({ [key]: value }).success);
    if (!isRight) throw new UsageError(`Expected KEY=VALUE,VALUE for --labels, e.g. site=lyon,turin, got "${text}".`);
    if (key in labels) throw new UsageError(`Expected each label once in --labels, got ${key} twice.`);
    labels[key] = values;
  }
  return labels;
};

/** `meter-reader@1.1.0=30%`. @throws UsageError */
export const regressionsOf = (texts: readonly string[]): { release: string; increase: number }[] => {
  const regressions = texts.map((text) => {
    const [name, by] = pairOf(text) ?? [];
    const increase = numberOf(by ?? '');
    if (name === undefined || increase === undefined || increase <= -1 || increase > 100) {
      throw new UsageError(`Expected RELEASE=SHARE for --regression, e.g. meter-reader@1.1.0=30%, got "${text}".`);
    }
    return { release: releaseOf('regression', name), increase };
  });
  const twice = regressions.find(
    ({ release }, index) => regressions.findIndex((one) => one.release === release) !== index,
  );
  if (twice !== undefined) {
    throw new UsageError(`Expected each release once for --regression, got ${twice.release} twice.`);
  }
  return regressions;
};
