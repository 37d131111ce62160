/** One event of a stream, as a page gets it. */
export interface ReceivedEvent {
  readonly event: string;
  readonly data: unknown;
  /** Only where the message itself had one. */
  readonly id: string | undefined;
}

const parse = (message: string): ReceivedEvent | undefined => {
  const fields = new Map<string, string>();
  for (const line of message.split('\n')) {
    const colon = line.indexOf(': ');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 2));
  }
  const event = fields.get('event');
  if (event === undefined) return undefined;
  return { event, data: JSON.parse(fields.get('data') ?? 'null'), id: fields.get('id') };
};

/** Reads server-sent events as a browser's EventSource does, but for the reconnecting. */
export class EventReader {
  readonly events: ReceivedEvent[] = [];
  /** Where the stream stood last; undefined before the first id. */
  lastEventId: string | undefined;
  readonly ended: Promise<void>;
  private readonly listeners = new Set<() => void>();

  private constructor(
    readonly response: Response,
    private readonly abort: AbortController,
  ) {
    this.ended = this.read().catch(() => undefined);
  }

  /** @throws when the answer is no stream */
  static async open(url: string, headers: Record<string, string>): Promise<EventReader> {
    const abort = new AbortController();
    const response = await fetch(url, { headers, signal: abort.signal });
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    return new EventReader(response, abort);
  }

  /** Waits for an event, of those that came already, too. */
  next(what: string, fits: (event: ReceivedEvent) => boolean, seconds = 20): Promise<ReceivedEvent> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${what} did not come; there were ${JSON.stringify(this.events)}`)),
        seconds * 1000,
      );
      const look = () => {
        const found = this.events.find(fits);
        if (found === undefined) return;
        clearTimeout(timer);
        this.listeners.delete(look);
        resolve(found);
      };
      this.listeners.add(look);
      look();
    });
  }

  /** Goes away, as a page that is closed does. */
  async close(): Promise<void> {
    this.abort.abort();
    await this.ended;
  }

  private async read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of this.response.body ?? []) {
      const messages = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
      rest = messages.pop() ?? '';
      for (const message of messages) {
        const event = parse(message);
        if (event === undefined) continue;
        this.events.push(event);
        this.lastEventId = event.id ?? this.lastEventId;
      }
      for (const listener of this.listeners) listener();
    }
  }
}
