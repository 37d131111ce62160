import { z } from 'zod';
import { labelsSchema, releaseNameSchema } from './identifiers.ts';

const share = z.number().min(0).max(1);
const count = z.int().nonnegative();

/** What happens to a share of the devices; with a release only when they are to run that one. */
const faultSchema = z.object({ release: releaseNameSchema.nullable(), share });
export type SimulatedFault = z.infer<typeof faultSchema>;

/** A fleet to be played, by `aviary sim`: what is played is drawn from the seed and the number of each device alone. */
export const simulationPlanSchema = z.object({
  devices: z.int().positive().max(100_000),
  seed: z.int().nonnegative(),
  /** Shares of the whole, by profile. */
  profiles: z.record(z.string(), z.number().positive()),
  /** Labels with all their values; the devices are spread over them. */
  labels: z.record(z.string(), z.array(z.string()).min(1)),
  /** Installs that fail: the release does not load, does not pass its suite, or makes errors on probation. */
  failing: z.array(faultSchema),
  /** Devices that never answer once a release was assigned to them. */
  silent: z.array(faultSchema),
  /** Devices that take ten times as long for everything. */
  slow: share,
  /** Devices that get unsure with time. */
  drifting: share,
  /** By how much the p95 on a release is above what the device had, e.g. 0.3 for 30 %. */
  regressions: z.array(z.object({ release: releaseNameSchema, increase: z.number().gt(-1).max(100) })),
  telemetrySeconds: z.number().positive().max(86_400),
  joinsPerSecond: z.number().positive().max(10_000),
  /** Where the devices are kept for another run; null: nowhere. */
  stateDirectory: z.string().nullable(),
});
export type SimulationPlan = z.infer<typeof simulationPlanSchema>;

/** What a played device is doing. */
export const SIMULATED_STATES = [
  'joining',
  'not-joined',
  'idle',
  'downloading',
  'installing',
  'probation',
  'serving',
  'silent',
] as const;
export type SimulatedState = (typeof SIMULATED_STATES)[number];

export const simulationCountsSchema = z.object({
  devices: count,
  joined: count,
  connected: count,
  /** They serve what they have proven, and have nothing else to do. */
  converged: count,
  states: z.record(z.enum(SIMULATED_STATES), count),
  /** Devices by the release that serves on them. */
  running: z.record(z.string(), count),
  /** Of the process with all of them, since it was started, in milliseconds. */
  cpuMs: z.number().nonnegative(),
  /** Resident memory of that process, in MB. */
  memoryMB: z.number().nonnegative(),
});
export type SimulationCounts = z.infer<typeof simulationCountsSchema>;

/** What the process with the devices says to the command that started it. */
export const simulationReportSchema = z.discriminatedUnion('kind', [
  /** A device has to join, and needs a token of its own. */
  z.object({ kind: z.literal('token-wanted'), device: count, labels: labelsSchema }),
  z.object({ kind: z.literal('counts'), counts: simulationCountsSchema }),
  /** Something of which a person should know. */
  z.object({ kind: z.literal('trouble'), words: z.string() }),
]);
export type SimulationReport = z.infer<typeof simulationReportSchema>;

/** What the command says to it. */
export const simulationOrderSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('token'), device: count, token: z.string() }),
  z.object({ kind: z.literal('no-token'), device: count, words: z.string() }),
]);
export type SimulationOrder = z.infer<typeof simulationOrderSchema>;
