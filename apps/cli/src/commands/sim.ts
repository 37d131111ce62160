import { resolve } from 'node:path';
import { type SimulationCounts, type SimulationPlan, simulationPlanSchema } from '@aviary/protocol';
import { Flags } from '@oclif/core';
import { AviaryCommand, durationFlag, outputFlag } from '../aviary-command.ts';
import { UsageError } from '../command-line/usage-error.ts';
import { renderTable } from '../render/table.ts';
import {
  faultsOf,
  labelsOf,
  profilesOf,
  regressionsOf,
  shareOf,
  USUAL_LABELS,
  USUAL_PROFILES,
} from '../simulation/plan-flags.ts';
import { SimulationScreen, simulationLine } from '../simulation/simulation-line.ts';
import { SimulationProcess } from '../simulation/simulation-process.ts';

const INTERRUPTED = 130;

export default class Sim extends AviaryCommand {
  static override summary =
    'Play a fleet: thousands of devices on this machine that join, update and report as real ones';

  static override description =
    'Tries a rollout before the real fleet does, or shows how many devices a server carries. The devices speak the real protocols with the control plane and verify all signatures; their models, boards and disks are played. They join with tokens that are made here, and stay until --for is over, or until Ctrl-C. Point it at a control plane of its own: what it adds to the fleet stays there.';

  static override examples = [
    '<%= config.bin %> sim --devices 500 --failing 3% --silent 2%',
    '<%= config.bin %> sim --devices 200 --regression meter-reader@1.1.0=30% --state ./fleet',
  ];

  static override flags = {
    devices: Flags.integer({ description: 'how many', default: 100, min: 1, max: 100_000 }),
    seed: Flags.integer({ description: 'another number makes other devices', default: 1, min: 0 }),
    profiles: Flags.string({
      description: 'shares of boards, e.g. rpi5=60%,rpi4=40%',
      default: USUAL_PROFILES,
      defaultHelp: async () => 'all nine',
    }),
    labels: Flags.string({
      description: 'a label and its values, over which the devices are spread',
      multiple: true,
      default: [USUAL_LABELS],
    }),
    failing: Flags.string({ description: 'share of installs that fail, [RELEASE=]SHARE', multiple: true, default: [] }),
    silent: Flags.string({
      description: 'share of devices that never answer an assignment, [RELEASE=]SHARE',
      multiple: true,
      default: [],
    }),
    slow: Flags.string({ description: 'share of devices that take ten times as long', default: '0%' }),
    drifting: Flags.string({ description: 'share of devices that get unsure with time', default: '0%' }),
    regression: Flags.string({
      description: 'how far the p95 of a release is above what devices had, RELEASE=SHARE',
      multiple: true,
      default: [],
    }),
    'telemetry-seconds': Flags.integer({ description: 'how often each reports', default: 10, min: 1, max: 86_400 }),
    'join-rate': Flags.integer({ description: 'devices that come in a second', default: 20, min: 1, max: 10_000 }),
    for: durationFlag({
      description: 'how long they stay once all have joined; 0s: until Ctrl-C',
      default: 0,
      defaultHelp: async () => '0s',
    }),
    state: Flags.string({
      description: 'where the devices are kept for another run; otherwise they are gone after it',
    }),
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Sim);
    const plan = simulationPlanSchema.safeParse({
      devices: flags.devices,
      seed: flags.seed,
      profiles: profilesOf(flags.profiles),
      labels: labelsOf(flags.labels),
      failing: faultsOf('failing', flags.failing),
      silent: faultsOf('silent', flags.silent),
      slow: shareOf('slow', flags.slow),
      drifting: shareOf('drifting', flags.drifting),
      regressions: regressionsOf(flags.regression),
      telemetrySeconds: flags['telemetry-seconds'],
      joinsPerSecond: flags['join-rate'],
      stateDirectory: flags.state === undefined ? null : resolve(flags.state),
    } satisfies SimulationPlan);
    if (!plan.success) throw new UsageError(plan.error.message);
    const { client } = await this.connect(flags);
    // Whoever cannot make tokens is told before anything is started.
    await client.listDevices({ query: { limit: 1 } });
    const played = await this.#play(plan.data, flags.for, async (labels) => {
      const { token } = await client.createJoinToken({ body: { labels } });
      return token;
    });
    const { counts, seconds, interrupted } = played;
    const summary = {
      ...counts,
      seconds,
      cpuMsPerDevice: Number((counts.cpuMs / Math.max(1, counts.joined)).toFixed(1)),
    };
    this.print(summary, flags.output, () =>
      renderTable(
        ['', 'devices'],
        [
          ['joined', `${counts.joined} of ${counts.devices}`],
          ['connected', String(counts.connected)],
          ['converged', String(counts.converged)],
          ...Object.entries(counts.states)
            .filter(([, count]) => count > 0)
            .map(([state, count]) => [state, String(count)]),
          ...Object.entries(counts.running).map(([release, count]) => [`running ${release}`, String(count)]),
        ],
      ),
    );
    if (interrupted && flags.for > 0) this.exit(INTERRUPTED);
    if (counts.joined < counts.devices) this.exit(1);
  }

  async #play(plan: SimulationPlan, stayFor: number, token: (labels: Record<string, string>) => Promise<string>) {
    const screen = new SimulationScreen(process.stderr);
    const beganAt = performance.now();
    let counts: SimulationCounts | undefined;
    let over: () => void = () => undefined;
    const time = new Promise<void>((done) => {
      over = done;
    });
    let timer: NodeJS.Timeout | undefined;
    let interrupted = false;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        interrupted = true;
        over();
      });
    }
    const simulation = new SimulationProcess(plan, {
      token,
      counts: (newest) => {
        counts = newest;
        screen.show(newest);
        const isComplete = (newest.states.joining ?? 0) === 0;
        if (isComplete && stayFor > 0) timer ??= setTimeout(over, stayFor * 1000);
      },
      trouble: (words) => screen.say(words),
    });
    await Promise.race([time, simulation.ended]);
    clearTimeout(timer);
    const seconds = Math.round((performance.now() - beganAt) / 1000);
    await simulation.stop();
    if (counts === undefined) throw new Error('The simulated devices said nothing before they ended.');
    screen.say(simulationLine(counts));
    return { counts, seconds, interrupted };
  }
}
