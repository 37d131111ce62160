import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exampleFacts } from '@aviary/hardware';
import { adminRoutes, type Client, createClient, type DeviceDetail, type RolloutDetail } from '@aviary/protocol';
import pg from 'pg';
import { loadEnrolment } from '../../apps/agent/src/identity/identity.ts';
import { runToEnd, StayingProcess } from '../../apps/cli/src/demo/child-process.ts';
import { layDatabase } from './database-template.ts';
import { freePort } from './free-port.ts';
import { type TestModel, writeGreyPictures, writeTestModel } from './test-model.ts';
import { TestMosquitto } from './test-mosquitto.ts';

const program = (path: string): string => fileURLToPath(new URL(`../../apps/${path}`, import.meta.url));
export const CONTROL_PLANE = program('control-plane/bin/aviary-control-plane.js');
export const AGENT = program('agent/bin/aviary-agent.js');
export const AVIARY = program('cli/bin/aviary.js');

/** Waits until `look` answers something, and gives it back. @throws naming what was waited for, and why `look` failed last */
export const until = async <T>(
  what: string,
  seconds: number,
  look: () => Promise<T | undefined>,
  pauseMs = 150,
): Promise<T> => {
  // Of a clock that no test sets.
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    let failure = '';
    const found = await look().catch((error: unknown) => {
      failure = `: ${error instanceof Error ? error.message : error}`;
      return undefined;
    });
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`${what} did not happen within ${seconds} s${failure}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
};

const ENDED = new Set<RolloutDetail['state']>(['FINISHED', 'STOPPED', 'ROLLED_BACK']);

/** Short enough for a test, long enough that a release has to show something. */
export const PROBATION = { seconds: 2, minFrames: 15, maxErrorRate: 0.1, maxLowConfidenceRate: 0.3, maxP95Ratio: 50 };

/** A real control plane and real agents on this machine, in a folder of their own. */
export class TestFleet {
  readonly agents = new Map<string, StayingProcess>();
  controlPlane!: StayingProcess;
  client!: Client<typeof adminRoutes>;
  readonly directory: string;
  /** Where the fleet does not use the embedded broker. */
  mosquitto: TestMosquitto | undefined;
  /** Beside the one of the launcher, as `conductors`. */
  readonly gateways: StayingProcess[] = [];
  readonly conductors: StayingProcess[] = [];
  /** Options of all that is done with the agent of a device, by its name. */
  readonly agentOptions = new Map<string, readonly string[]>();
  /** What the agent of a device looks at, by its name, as options of `run`; grey pictures of its own where nothing is said. */
  readonly sources = new Map<string, readonly string[]>();
  private ports: number[] = [];
  private readonly options: readonly string[];
  readonly #learners = new Set<string>();

  private constructor(directory: string, options: readonly string[]) {
    this.directory = directory;
    this.options = options;
  }

  /** Starts a control plane, one process per role, and makes a publisher's key. @param options further ones of it */
  static async start(...options: string[]): Promise<TestFleet> {
    const fleet = await TestFleet.#make(options);
    fleet.ports = await Promise.all([freePort(), freePort(), freePort()]);
    await fleet.#orStop(async () => {
      await fleet.startControlPlane();
      await fleet.aviary('key', 'init', '--no-passphrase', '--key', fleet.keyPath);
    });
    return fleet;
  }

  /** The same, with Mosquitto as the broker, and two gateways. */
  static async startWithMosquitto(): Promise<TestFleet> {
    const fleet = await TestFleet.#make([]);
    fleet.ports = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
    await fleet.#orStop(async () => {
      await fleet.startControlPlane();
      await fleet.#startMosquitto();
      await fleet.startGateway();
      await fleet.aviary('key', 'init', '--no-passphrase', '--key', fleet.keyPath);
    });
    return fleet;
  }

  static async #make(options: readonly string[]): Promise<TestFleet> {
    const fleet = new TestFleet(await mkdtemp(join(tmpdir(), 'aviary-test-')), options);
    // The database's own user, and Mosquitto's, have to reach what is theirs below.
    await chmod(fleet.directory, 0o711);
    await layDatabase(fleet.data);
    return fleet;
  }

  /** A fleet that does not come up says what it has logged, and leaves nothing running. */
  async #orStop(begin: () => Promise<void>): Promise<void> {
    try {
      await begin();
    } catch (error) {
      const words = await this.lastWords();
      await this.stop();
      throw new Error(`${error instanceof Error ? error.message : error}\n\n${words}`, { cause: error });
    }
  }

  async #startMosquitto(): Promise<void> {
    const folder = join(this.directory, 'broker');
    const ports = ['--mqtt-port', `${this.mqttPort}`, '--gateway-port', `${this.ports[3]}`];
    const where = ['--host', '127.0.0.1', '--listen', '127.0.0.1', ...ports];
    await this.aviary('broker', 'config', 'mosquitto', '--out', folder, ...where);
    this.mosquitto = new TestMosquitto(folder, this.mqttPort, join(this.directory, 'mosquitto.log'));
    await this.mosquitto.start();
  }

  /** Starts one more gateway, as on another machine. */
  async startGateway(): Promise<void> {
    this.gateways.push(await this.#startRole('gateway', this.gateways.length));
  }

  /** Starts one more conductor, as on another machine. */
  async startConductor(): Promise<void> {
    this.conductors.push(await this.#startRole('conductor', this.conductors.length));
  }

  async #startRole(role: 'gateway' | 'conductor', number: number): Promise<StayingProcess> {
    const log = join(this.directory, `${role}-${number}.log`);
    const args = ['run', '--roles', role, '--data', this.data, ...this.#ports];
    return new StayingProcess(role, CONTROL_PLANE, args, log, { DATABASE_URL: await this.databaseUrl() });
  }

  get #ports(): string[] {
    const [http, device, mqtt, gateway] = this.ports;
    const own = ['--http-port', `${http}`, '--device-port', `${device}`, '--mqtt-port', `${mqtt}`];
    return gateway === undefined ? own : [...own, '--mqtt-url', this.gatewayUrl];
  }

  get data(): string {
    return join(this.directory, 'data');
  }

  get server(): string {
    return `http://127.0.0.1:${this.ports[0]}`;
  }

  get deviceUrl(): string {
    return `https://127.0.0.1:${this.ports[1]}`;
  }

  get mqttPort(): number {
    return this.ports[2] ?? 0;
  }

  /** Where gateways come in to a broker of the fleet's own. */
  get gatewayUrl(): string {
    return `mqtts://127.0.0.1:${this.ports[3]}`;
  }

  get keyPath(): string {
    return join(this.directory, 'publisher.key');
  }

  /** Starts (again) what serves devices and people, and waits until it is ready. */
  async startControlPlane(): Promise<void> {
    const log = join(this.directory, 'control-plane.log');
    this.controlPlane = new StayingProcess(
      'control plane',
      CONTROL_PLANE,
      ['all', '--separate', '--data', this.data, ...this.#ports, ...this.options],
      log,
    );
    const ready = await until('the start of the control plane', 60, async () => {
      if (this.controlPlane.ended !== undefined) return false;
      return (await fetch(`${this.server}/readyz`)).ok || undefined;
    });
    if (!ready) throw new Error(`the control plane ended by itself: ${this.controlPlane.ended}`);
    const token = (await readFile(join(this.data, 'admin.token'), 'utf8')).trim();
    this.client = createClient(adminRoutes, {
      baseUrl: this.server,
      fetch,
      headers: { authorization: `Bearer ${token}` },
    });
  }

  /** The newest process id of a role, as the launcher has said it. */
  async pidOf(role: 'api' | 'gateway' | 'conductor'): Promise<number> {
    const log = await readFile(join(this.directory, 'control-plane.log'), 'utf8');
    const pid = [...log.matchAll(new RegExp(`${role} runs as process (\\d+)`, 'g'))].at(-1)?.[1];
    if (pid === undefined) throw new Error(`the launcher said no process of ${role}`);
    return Number(pid);
  }

  aviary(...args: string[]): Promise<string> {
    return runToEnd(AVIARY, args, { AVIARY_SERVER: this.server, AVIARY_DATA: this.data, NO_COLOR: '1' });
  }

  stateDirectory(name: string): string {
    return join(this.directory, name, 'state');
  }

  /** Where the agent of a device listens to applications. */
  socketOf(name: string): string {
    return join(this.directory, `${name}.sock`);
  }

  /**
   * Joins a device that believes to be on `board`, and starts it.
   * @param learns whether it takes part in federated rounds
   * @param joining further options of `aviary-agent join`
   */
  async addDevice(name: string, board: string, learns = false, joining: readonly string[] = []): Promise<void> {
    if (learns) this.#learners.add(name);
    const home = join(this.directory, name);
    await mkdir(home, { recursive: true });
    await writeFile(join(home, 'facts.json'), JSON.stringify(exampleFacts(board)));
    await writeGreyPictures(join(home, 'pictures'), 20);
    const { token } = await this.client.createJoinToken({ body: { labels: { site: 'test' } } });
    await this.#join(name, token, ['--name', name, ...joining]);
  }

  /** Joins a device whose agent is away once more, as after a revocation, and starts it. */
  async joinAgain(name: string): Promise<void> {
    const { deviceId } = await loadEnrolment(this.stateDirectory(name));
    const { token } = await this.client.createJoinToken({ body: { deviceId } });
    await this.#join(name, token, []);
  }

  async #join(name: string, token: string, joining: readonly string[]): Promise<void> {
    await this.agent(name, 'join', '--facts', join(this.directory, name, 'facts.json'), '--token', token, ...joining);
    this.startAgent(name);
  }

  /** Has the agent of a device do something else than `run`. @returns what it said @throws ProgramError */
  agent(name: string, command: string, ...options: string[]): Promise<string> {
    return runToEnd(AGENT, [command, ...this.#agentOptionsOf(name), ...options]);
  }

  #agentOptionsOf(name: string): string[] {
    return ['--state-dir', this.stateDirectory(name), ...(this.agentOptions.get(name) ?? [])];
  }

  startAgent(name: string): void {
    const home = join(this.directory, name);
    const pictures = ['--source', `dir:${join(home, 'pictures')}`, '--fps', '20'];
    const source = [...(this.sources.get(name) ?? pictures), '--telemetry-seconds', '1'];
    const learning = this.#learners.has(name) ? ['--learn'] : [];
    const socket = ['--socket', this.socketOf(name)];
    const state = [...this.#agentOptionsOf(name), '--facts', join(home, 'facts.json')];
    const args = ['run', ...state, ...source, ...socket, ...learning];
    this.agents.set(name, new StayingProcess(name, AGENT, args, join(home, 'agent.log')));
  }

  async push(model: TestModel): Promise<void> {
    await this.aviary('model', 'push', await writeTestModel(this.directory, model), '--key', this.keyPath);
  }

  /** Begins a rollout of `grey@version` to everything. @returns its id */
  async rollOut(
    version: string,
    waves: readonly object[] = [{ size: '100%', soak: '0s' }],
    more: object = {},
  ): Promise<string> {
    const { id } = await this.client.createRollout({
      body: {
        release: `grey@${version}`,
        target: 'site=test',
        strategy: { waves, deadline: '60s', probation: PROBATION },
        gates: [{ execution: { maxFailureRate: '10%', minimum: 1 } }],
        onFailure: 'rollback-all',
        ...more,
      },
    });
    return id;
  }

  /** Waits until a rollout has ended. */
  ended(id: string, seconds = 60): Promise<RolloutDetail> {
    return until(`the end of rollout ${id}`, seconds, async () => {
      const rollout = await this.client.showRollout({ params: { id } });
      return ENDED.has(rollout.state) ? rollout : undefined;
    });
  }

  async devices(): Promise<DeviceDetail[]> {
    const { items } = await this.client.listDevices({});
    return Promise.all(items.map(({ id }) => this.client.showDevice({ params: { id } })));
  }

  /** Waits until every device says that it runs `release`. */
  allRun(release: string, seconds = 30): Promise<DeviceDetail[]> {
    return until(`every device running ${release}`, seconds, async () => {
      const devices = await this.devices();
      return devices.every((device) => device.running?.release === release) ? devices : undefined;
    });
  }

  async databaseUrl(): Promise<string> {
    const password = (await readFile(join(this.data, 'keys', 'postgres.password'), 'utf8')).trim();
    const port = (await readFile(join(this.data, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[3];
    return `postgresql://aviary:${encodeURIComponent(password)}@127.0.0.1:${port}/aviary`;
  }

  /** Asks the database itself. */
  async query<Row extends object>(text: string): Promise<Row[]> {
    const client = new pg.Client({ connectionString: await this.databaseUrl() });
    await client.connect();
    try {
      return (await client.query<Row>(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** Devices whose stored telemetry has a hole or a double in its numbers. */
  holes(): Promise<{ device_id: string }[]> {
    return this.query(`
      select device_id from telemetry_batch group by device_id, epoch
      having count(*) <> max(seq) or count(distinct seq) <> count(*) or min(seq) <> 1`);
  }

  /** The end of what everything here has logged, for whoever looks why a test has failed. */
  async lastWords(): Promise<string> {
    const logs = ['control-plane.log', ...[...this.agents.keys()].map((name) => join(name, 'agent.log'))];
    const ends = logs.map(async (log) => {
      const text = await readFile(join(this.directory, log), 'utf8').catch(({ message }: Error) => message);
      return `${log}\n${text.trimEnd().split('\n').slice(-8).join('\n')}`;
    });
    return (await Promise.all(ends)).join('\n\n');
  }

  async stop(): Promise<void> {
    await Promise.all([...this.agents.values()].map((agent) => agent.stop()));
    await Promise.all([...this.gateways, ...this.conductors].map((role) => role.stop()));
    await this.mosquitto?.stop();
    await this.controlPlane.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}
