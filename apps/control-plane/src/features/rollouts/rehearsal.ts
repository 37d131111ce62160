import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DeviceFacts } from '@aviary/hardware';
import type { RolloutPreview } from '@aviary/protocol';
import {
  comparisonOutlook,
  forecast,
  type PlannedWave,
  parseSelector,
  type RolloutSpec,
  type Strata,
} from '@aviary/rollout';
import type { Database } from '../../infra/database.ts';
import { targetToSql } from '../devices/selector-sql.ts';
import type { StoredRelease } from '../registry/releases.service.ts';
import type { VariantChooser } from '../registry/variant-chooser.ts';
import { NO_PROFILE } from './device-taker.ts';

/** A rollout that could be created as it is. */
export interface PreparedRollout {
  readonly spec: RolloutSpec;
  readonly release: StoredRelease;
  /** Devices by profile. */
  readonly strata: Strata;
  /** Those of them that are held back until the last wave. */
  readonly control: Strata;
  readonly waves: readonly PlannedWave[];
}

// One device stands for its profile: the first in the order of the waves.
const examples = (where: string): string => `
  select stratum, one.facts from unnest($1::text[]) as stratum
  cross join lateral (
    select d.facts from device d where d.profile = stratum and ${where} order by d.bucket, d.id limit 1
  ) as one`;

const sites = (where: string): string => `
  select coalesce(d.labels ->> 'site', '') as site, coalesce(d.profile, $1) as stratum, count(*)::integer as devices
  from device d where ${where} group by 1, 2`;

const zones = (where: string): string => `
  select coalesce(d.facts ->> 'timeZone', '') as zone, count(*)::integer as devices
  from device d where ${where} group by 1`;

/** What a rollout would do, found out without doing it. */
export class Rehearsal {
  constructor(
    private readonly database: Database,
    private readonly chooser: VariantChooser,
  ) {}

  /** But for the rollouts that it would meet. */
  async of(prepared: PreparedRollout): Promise<Omit<RolloutPreview, 'overlaps'>> {
    const { spec, release, waves, control } = prepared;
    const variants = await this.variantsFor(prepared);
    const bytesOf = new Map(
      variants.map(({ stratum, variant }) => [
        stratum,
        release.statement.targets.find((target) => target.variant === variant)?.length ?? 0,
      ]),
    );
    const comparisons: RolloutPreview['comparisons'] = [];
    const strata = waves.map((wave) => wave.strata);
    for (const outlook of comparisonOutlook(spec.gates, strata, control)) {
      comparisons.push(outlook);
      // Each may take a second, in which nobody else is answered.
      await nextTurn();
    }
    const {
      seconds,
      waves: passed,
      leavesOut,
    } = forecast({
      spec,
      waves,
      control,
      zones: await this.zonesOf(prepared),
      now: Date.now(),
    });
    return {
      release: spec.release,
      devices: waves.at(-1)?.cumulative ?? 0,
      waves: waves.map((wave) => ({ ...wave })),
      variants: variants.map(({ stratum: _, ...variant }) => variant),
      bytes: variants.reduce((sum, { stratum, devices }) => sum + (bytesOf.get(stratum) ?? 0) * devices, 0),
      control: { ...control },
      comparisons,
      sites: await this.sitesOf(spec, bytesOf),
      forecast: { seconds, waves: [...passed], leavesOut: [...leavesOut] },
    };
  }

  /** The variant that the devices of each profile get, from the facts of one of them. */
  private async variantsFor({ spec, release, strata }: PreparedRollout) {
    const { where, parameters } = targetToSql(parseSelector(spec.target), 2);
    const rows = await this.database.query<{ stratum: string; facts: DeviceFacts }>(examples(where), [
      Object.keys(strata).filter((stratum) => stratum !== NO_PROFILE),
      ...parameters,
    ]);
    const facts = new Map(rows.map((row) => [row.stratum, row.facts]));
    return Object.entries(strata).map(([stratum, devices]) => {
      if (stratum === NO_PROFILE) {
        return { stratum, profile: 'none', variant: null, devices, reason: 'no profile fits these devices' };
      }
      const example = facts.get(stratum);
      if (example === undefined) {
        return { stratum, profile: stratum, variant: null, devices, reason: 'no such device any more' };
      }
      const { target, words } = this.chooser.choose({ facts: example, profile: stratum }, release);
      return { stratum, profile: stratum, variant: target?.variant ?? null, devices, reason: words.join(' · ') };
    });
  }

  /** What each site downloads, most first. */
  private async sitesOf(spec: RolloutSpec, bytesOf: ReadonlyMap<string, number>): Promise<RolloutPreview['sites']> {
    const { where, parameters } = targetToSql(parseSelector(spec.target), 2);
    const rows = await this.database.query<{ site: string; stratum: string; devices: number }>(sites(where), [
      NO_PROFILE,
      ...parameters,
    ]);
    const found = new Map<string, RolloutPreview['sites'][number]>();
    for (const { site, stratum, devices } of rows) {
      const before = found.get(site) ?? { site, devices: 0, bytes: 0 };
      const bytes = before.bytes + (bytesOf.get(stratum) ?? 0) * devices;
      found.set(site, { site, devices: before.devices + devices, bytes });
    }
    return [...found.values()].sort((a, b) => b.bytes - a.bytes || (a.site < b.site ? -1 : 1));
  }

  /** Where devices are, where that matters: to a window that opens by their own clocks. */
  private async zonesOf({ spec, waves }: PreparedRollout): Promise<Record<string, number>> {
    if (spec.strategy.window?.zone !== 'device') return { '': waves.at(-1)?.cumulative ?? 0 };
    const { where, parameters } = targetToSql(parseSelector(spec.target));
    const rows = await this.database.query<{ zone: string; devices: number }>(zones(where), parameters);
    return Object.fromEntries(rows.map(({ zone, devices }) => [zone, devices]));
  }
}
