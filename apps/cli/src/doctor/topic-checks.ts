import { setTimeout as pause } from 'node:timers/promises';
import { deviceTopics, PROBE_EPOCHS, type TelemetryAck, telemetryAckSchema } from '@aviary/protocol';
import { type Check, failed, passed, wordsOf } from './check.ts';
import { type Heard, type ProbeIdentity, ProbeSession } from './probe-session.ts';

/** A gateway may just be starting, or be waiting for a database. */
const ANSWER_MS = 30_000;
/** As devices do: what was on its way to a gateway that ended is lost. */
const AGAIN_MS = 3_000;
/** What has not come by then, while what is allowed has, does not come. */
const SILENCE_MS = 700;
const FORGED = 1_000_000;

const ADVICE =
  'The access list of the broker is open: every device can do this. Take the generated one, unchanged (aviary broker config --help), and ask again.';

const batch = (seq: number) => ({
  epoch: PROBE_EPOCHS.telemetry,
  seq,
  records: [{ type: 'event', at: Date.now(), level: 'info', code: 'doctor', message: 'a probe' }],
});
const presence = (session: number) => ({ online: true, session });

const ackOf = ({ payload }: Heard): TelemetryAck | undefined => {
  try {
    return telemetryAckSchema.safeParse(JSON.parse(payload)).data;
  } catch {
    return undefined;
  }
};

/** A probe that uses its own topics, and knows what has to come of it. */
class Owner {
  readonly topics: ReturnType<typeof deviceTopics>;
  #count = 0;

  constructor(
    readonly session: ProbeSession,
    readonly id: string,
  ) {
    this.topics = deviceTopics(id);
  }

  /** Says something on each of its topics. @returns whether a gateway has answered both */
  async speak(): Promise<boolean> {
    this.#count += 1;
    const seq = this.#count;
    const answered = (epoch: number) =>
      this.session.hears((heard) => heard.topic === this.topics.ack && isAck(heard, epoch, seq), AGAIN_MS);
    for (const deadline = Date.now() + ANSWER_MS; Date.now() < deadline && this.session.alive; ) {
      await this.session.publish(this.topics.telemetry, batch(seq));
      await this.session.publish(this.topics.presence, presence(seq));
      if ((await answered(PROBE_EPOCHS.telemetry)) && (await answered(PROBE_EPOCHS.presence))) return true;
    }
    return false;
  }

  /** What reached it, or a gateway in its name, without its having said it. */
  forged(): Heard[] {
    return this.session.heard.filter(
      (heard) => heard.topic !== this.topics.ack || (ackOf(heard)?.seq ?? FORGED) > this.#count,
    );
  }
}

const isAck = (heard: Heard, epoch: number, seq: number): boolean => {
  const ack = ackOf(heard);
  return ack?.epoch === epoch && ack.seq === seq;
};

const checkOwnTopics = async (owner: Owner): Promise<Check> => {
  const name = 'mqtt-own-topics';
  await owner.session.subscribe(owner.topics.down);
  if (await owner.speak()) return passed(name, 'a device reaches a gateway on its own topics, and hears its answer');
  const words = `a gateway did not answer what a probe said on its own topics within ${ANSWER_MS / 1000} s`;
  const advice =
    'Is a gateway running, and connected to this very broker? Its log says so. If it is, the access list is too narrow.';
  return failed(name, words, advice);
};

const checkName = async (url: string, owner: Owner, stranger: ProbeIdentity): Promise<Check> => {
  const name = 'mqtt-name';
  const impostor = await ProbeSession.open(url, stranger, owner.id).catch(() => undefined);
  await pause(SILENCE_MS);
  impostor?.end();
  if (owner.session.alive) return passed(name, 'a device cannot take the place of another by its client id');
  const words = 'a device that connected with the client id of another has ended its session';
  return failed(
    name,
    words,
    'The broker has to take the client id from the certificate. See: aviary broker config --help',
  );
};

const checkForeignPublish = async (url: string, owner: Owner, stranger: ProbeIdentity): Promise<Check> => {
  const name = 'mqtt-foreign-publish';
  const { telemetry, presence: isThere, ack, doorbell } = owner.topics;
  const attempts: [string, object][] = [
    [telemetry, batch(FORGED + 1)],
    [isThere, presence(FORGED + 2)],
    [ack, { epoch: PROBE_EPOCHS.telemetry, seq: FORGED + 3 }],
    [doorbell, { reason: 'assignment' }],
  ];
  for (const [topic, payload] of attempts) {
    // Each with a connection of its own: some brokers end it at the first try.
    const session = await ProbeSession.open(url, stranger);
    await session.publish(topic, payload);
    session.end();
  }
  if (!(await owner.speak())) return failed(name, 'the gateway has stopped answering', 'Look into its log.');
  await pause(SILENCE_MS);
  const [forged] = owner.forged();
  if (forged === undefined) return passed(name, 'a device cannot publish to the topics of another');
  return failed(name, `a device has published in the name of another: ${forged.topic} ${forged.payload}`, ADVICE);
};

const checkForeignRead = async (url: string, owner: Owner, stranger: ProbeIdentity): Promise<Check> => {
  const name = 'mqtt-foreign-read';
  const { telemetry, presence: isThere, down } = owner.topics;
  const everybody = telemetry.replace(owner.id, '+');
  const filters = ['#', 'aviary/#', everybody, `$share/doctor/${everybody}`, telemetry, isThere, down];
  for (const filter of filters) {
    const session = await ProbeSession.open(url, stranger);
    try {
      await session.subscribe(filter);
      if (!(await owner.speak())) {
        const words = `a gateway does not hear a device any more while another listens to ${filter}`;
        return failed(name, words, ADVICE);
      }
      const hears = await session.hears(() => true, SILENCE_MS);
      if (hears) return failed(name, `a device that asked for ${filter} hears what another says and is told`, ADVICE);
    } finally {
      session.end();
    }
  }
  return passed(name, `a device hears nothing of another, whichever of ${filters.length} filters it asks for`);
};

/** The other probe has to be let in as well, or what it may not do was not tried. */
const broken = (error: unknown): Check =>
  failed('mqtt-probe', `the second probe could not do its part: ${wordsOf(error)}`, 'The log of the broker says why.');

/** Two probes try what devices may, and what they may not: judged by what arrives, never by what a broker answers. */
export const checkTopics = async (url: string, first: ProbeIdentity, second: ProbeIdentity): Promise<Check[]> => {
  let session: ProbeSession;
  try {
    session = await ProbeSession.open(url, first);
  } catch (error) {
    const words = `a probe with a certificate of the fleet is refused at ${url}: ${wordsOf(error)}`;
    const advice = 'Its log says why. With an external broker: is its fleet-ca.crt that of this control plane?';
    return [failed('mqtt-own-topics', words, advice)];
  }
  try {
    const owner = new Owner(session, first.id);
    const own = await checkOwnTopics(owner);
    // Without it, that nothing arrives would prove nothing.
    if (!own.ok) return [own];
    const checks = [own];
    for (const check of [checkForeignPublish, checkForeignRead, checkName]) {
      checks.push(await check(url, owner, second).catch(broken));
    }
    return checks;
  } finally {
    session.end();
  }
};
