import type { BoardState } from '../api/generated/index.ts';
import type { Change } from './change-queue.ts';

/** The newest figures of a device, as `event: device` brings them. */
export interface DeviceFigures {
  readonly deviceId: string;
  readonly at: number;
  readonly release: string;
  readonly frames: number;
  readonly dropped: number;
  readonly errors: number;
  readonly lowConfidence: number;
  readonly labelled: number;
  readonly correct: number;
  readonly latencyP95Ms: number | null;
  readonly board: BoardState | null;
}

export type LiveState = 'connecting' | 'live' | 'reconnecting' | 'paused';

interface Listeners {
  readonly onState: (state: LiveState) => void;
  readonly onChange: (change: Change) => void;
  /** Changes may have been missed: everything is to be read again. */
  readonly onReset: () => void;
  readonly onFigures: (figures: DeviceFigures) => void;
  /** The control plane refused the stream; whoever listens finds out why. */
  readonly onRefused: () => void;
}

const RETRY_MS = 3000;

/**
 * The one stream of server-sent events of a page. A lost connection is taken up again by the browser, which says with
 * `Last-Event-ID` where it stopped. A tab that nobody sees holds none: browsers allow six connections to a host, and
 * six tabs would leave nothing for requests.
 */
export class LiveStream {
  private source: EventSource | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private device: string | undefined;
  /** The device that the open stream was asked for. */
  private openFor: string | undefined;
  private opened = false;
  private readonly listeners: Listeners;

  constructor(listeners: Listeners) {
    this.listeners = listeners;
  }

  start(): void {
    document.addEventListener('visibilitychange', this.onVisibility);
    this.onVisibility();
  }

  stop(): void {
    document.removeEventListener('visibilitychange', this.onVisibility);
    this.close();
  }

  /** Also brings the figures of this device from now on; undefined: of none. */
  watchDevice(device: string | undefined): void {
    this.device = device;
    // From one device's page to another's, the first one leaves before the second one comes: one new stream, not two.
    queueMicrotask(() => {
      if (this.source !== undefined && this.device !== this.openFor) this.open();
    });
  }

  private readonly onVisibility = (): void => {
    if (document.visibilityState === 'visible') {
      if (this.source === undefined) this.open();
    } else {
      this.close();
      this.listeners.onState('paused');
    }
  };

  private close(): void {
    clearTimeout(this.retry);
    this.source?.close();
    this.source = undefined;
  }

  private open(): void {
    this.close();
    const query = this.device === undefined ? '' : `?device=${encodeURIComponent(this.device)}`;
    const source = new EventSource(`/api/v1/events${query}`);
    this.source = source;
    this.openFor = this.device;
    if (!this.opened) this.listeners.onState('connecting');
    let connected = false;
    source.onopen = () => {
      // Only a stream that the browser takes up again goes on where it stopped. This one begins now; what pages have
      // read may be from just before.
      if (!connected) this.listeners.onReset();
      connected = true;
      this.opened = true;
      this.listeners.onState('live');
    };
    source.onerror = () => {
      this.listeners.onState('reconnecting');
      if (source.readyState !== EventSource.CLOSED) return;
      this.listeners.onRefused();
      this.retry = setTimeout(() => this.open(), RETRY_MS);
    };
    source.addEventListener('change', (event) => this.listeners.onChange(JSON.parse(event.data)));
    source.addEventListener('reset', () => this.listeners.onReset());
    source.addEventListener('device', (event) => this.listeners.onFigures(JSON.parse(event.data)));
  }
}
