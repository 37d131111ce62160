import { parseJoinToken, type SimulationReport, simulationOrderSchema, simulationPlanSchema } from '@aviary/protocol';
import { pino } from 'pino';
import { logLevelOf } from '../command-line.ts';
import type { Invitation } from '../identity/enroll.ts';
import { SimulatedFleet } from './simulated-fleet.ts';

/** The process that `aviary sim` starts: it has the devices, and speaks with the command over its channel. */
const COUNT_EVERY_MS = 500;

interface Asked {
  readonly resolve: (invitation: Invitation) => void;
  readonly reject: (error: Error) => void;
}

const say = (report: SimulationReport): void => {
  // Whoever listened may be gone at any moment; the end of the channel tells.
  if (process.connected) process.send?.(report, undefined, undefined, () => undefined);
};

const main = async (): Promise<void> => {
  const plan = simulationPlanSchema.parse(JSON.parse(process.argv[2] ?? ''));
  const asked = new Map<number, Asked>();
  const told = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve());
    // Whoever started it is gone.
    process.once('disconnect', resolve);
  });
  // What thousands of devices have to say is heard only when somebody asks for it.
  const level = process.env.AVIARY_LOG_LEVEL === undefined ? 'silent' : logLevelOf(process.env);
  const log = pino({ level }, pino.destination(2));
  const fleet = new SimulatedFleet(
    plan,
    {
      invite: (device, labels) =>
        new Promise((resolve, reject) => {
          asked.set(device, { resolve, reject });
          say({ kind: 'token-wanted', device, labels });
        }),
      onTrouble: (words) => say({ kind: 'trouble', words }),
    },
    log,
  );
  process.on('message', (message) => {
    const order = simulationOrderSchema.parse(message);
    const waiting = asked.get(order.device);
    asked.delete(order.device);
    if (order.kind === 'token') waiting?.resolve(parseJoinToken(order.token));
    else waiting?.reject(new Error(order.words));
  });
  await fleet.start();
  const counting = setInterval(() => say({ kind: 'counts', counts: fleet.counts }), COUNT_EVERY_MS);
  await told;
  clearInterval(counting);
  say({ kind: 'counts', counts: fleet.counts });
  for (const { reject } of asked.values()) reject(new Error('the simulation ends'));
  await fleet.stop();
};

try {
  await main();
  process.exit();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exit(1);
}
