import type { Logger } from 'pino';
import { NotifySocket } from './notify-socket.ts';

/** How often it looks whether there is something new to say. */
const STATUS_PERIOD_MS = 5_000;

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
  #timers: readonly NodeJS.Timeout[] = [];
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
    this.#say(watched);
    this.#timers = [setInterval(() => this.#say(watched), STATUS_PERIOD_MS)];
    if (this.#beatMs === null) return;
    this.#beat(watched);
    this.#timers = [...this.#timers, setInterval(() => this.#beat(watched), this.#beatMs)];
  }

  /** It was told to end. */
  stopping(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#socket.send('STOPPING=1');
    this.#socket.close();
  }

  /** That it is called at all says that the event loop goes round. */
  #beat({ isWorking }: Watched): void {
    if (isWorking) this.#socket.send('WATCHDOG=1');
    else if (!this.#hangs) this.#log.error('an update hangs: no signs of life from now on');
    this.#hangs = !isWorking;
  }

  #say({ words }: Watched): void {
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
