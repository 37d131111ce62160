import type { Logger } from 'pino';
import { NotifySocket } from './notify-socket.ts';

/** How often it says how it is where nobody asks for beats. */
const STATUS_PERIOD_MS = 30_000;

/** What is watched. */
export interface Watched {
  /** Whether it really works: asked at each beat. */
  readonly isWorking: boolean;
  /** What it does, for people, in one line. */
  readonly words: string;
}

/** Tells the manager of this service, systemd, how it is (sd_notify(3), sd_watchdog_enabled(3)). */
export class ServiceManager {
  readonly #socket: NotifySocket;
  readonly #beatMs: number | null;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #lastWords = '';
  #hangs = false;

  /** @param beatMs between two signs of life; null when nobody asks for them */
  constructor(socket: NotifySocket, beatMs: number | null, log: Logger) {
    this.#socket = socket;
    this.#beatMs = beatMs;
    this.#log = log;
  }

  /** It has started. From now on there are signs of life for as long as it works. */
  ready(watched: Watched): void {
    this.#socket.send('READY=1');
    this.#beat(watched);
    this.#timer = setInterval(() => this.#beat(watched), this.#beatMs ?? STATUS_PERIOD_MS);
  }

  /** It was told to end. */
  stopping(): void {
    clearInterval(this.#timer);
    this.#socket.send('STOPPING=1');
    this.#socket.close();
  }

  /** That it is called at all says that the event loop goes round. */
  #beat(watched: Watched): void {
    const { isWorking, words } = watched;
    if (isWorking && this.#beatMs !== null) this.#socket.send('WATCHDOG=1');
    if (!isWorking && !this.#hangs) this.#log.error('the agent hangs: no signs of life from now on');
    this.#hangs = !isWorking;
    if (words === this.#lastWords) return;
    this.#lastWords = words;
    this.#socket.send(`STATUS=${words}`);
  }
}

/** @returns null when nobody asks for beats, or asks another process */
const beatMsOf = ({ WATCHDOG_USEC, WATCHDOG_PID }: NodeJS.ProcessEnv): number | null => {
  const microseconds = Number(WATCHDOG_USEC);
  if (!(microseconds > 0)) return null;
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== `${process.pid}`) return null;
  return microseconds / 2 / 1000;
};

/**
 * @param environment of this process; what it says of a manager is taken out of it, since that is meant for nobody else
 * @returns undefined when no manager asks
 */
export const findServiceManager = (environment: NodeJS.ProcessEnv, log: Logger): ServiceManager | undefined => {
  const { NOTIFY_SOCKET: name } = environment;
  const beatMs = beatMsOf(environment);
  for (const variable of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete environment[variable];
  if (name === undefined) return undefined;
  if (/^[/@]./.test(name)) return new ServiceManager(new NotifySocket(name, log), beatMs, log);
  log.warn(`Expected a path or an abstract name such as @name in NOTIFY_SOCKET, got "${name}": nobody is told.`);
  return undefined;
};
