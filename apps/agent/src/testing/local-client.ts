import { type IncomingMessage, request } from 'node:http';

/** What a local API answered. */
export interface LocalAnswer {
  readonly status: number;
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever came
  readonly body: any;
}

/** An event of a stream: its name, its id, and its data read as JSON. */
export interface LocalEvent {
  readonly event: string;
  readonly id: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever came
  readonly data: any;
}

const send = (socketPath: string, method: string, path: string, body?: string): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path, agent: false }, resolve);
    outgoing.once('error', reject);
    outgoing.end(body);
  });

/** Asks an agent's socket, as an application on the board does. */
export const ask = async (socketPath: string, method: string, path: string, body?: unknown): Promise<LocalAnswer> => {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const response = await send(socketPath, method, path, text);
  let answer = '';
  for await (const chunk of response.setEncoding('utf8')) answer += chunk;
  return {
    status: response.statusCode ?? 0,
    type: response.headers['content-type'] ?? '',
    body: JSON.parse(answer),
  };
};

/** Opens the stream of results; it is read only when `next` is asked for. */
export const openResults = async (socketPath: string) => {
  const response = await send(socketPath, 'GET', '/v1/results');
  const chunks = response.setEncoding('utf8')[Symbol.asyncIterator]();
  let text = '';
  /** The next event; undefined when the stream has ended. */
  const next = async (): Promise<LocalEvent | undefined> => {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end >= 0) {
        const lines = text.slice(0, end).split('\n');
        text = text.slice(end + 2);
        const field = (name: string): string =>
          lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
        if (field('data') !== '') return { event: field('event'), id: field('id'), data: JSON.parse(field('data')) };
        continue;
      }
      const chunk = await chunks.next();
      if (chunk.done === true) return undefined;
      text += chunk.value;
    }
  };
  return { next, close: () => response.destroy() };
};
