import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';

/** What a local API answered. */
export interface LocalAnswer {
  readonly status: number;
  readonly type: string;
  readonly headers: IncomingHttpHeaders;
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

/** Where the API is: a socket's path, or a port of this machine. */
type Place = string | { readonly port: number };

const send = (
  place: Place,
  method: string,
  path: string,
  body?: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const to = typeof place === 'string' ? { socketPath: place } : { host: '127.0.0.1', port: place.port };
    const outgoing = request({ ...to, method, path, headers, agent: false }, resolve);
    outgoing.once('error', reject);
    outgoing.end(body);
  });

const textOf = async (response: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return text;
};

const answerOf = async (response: IncomingMessage): Promise<LocalAnswer> => ({
  status: response.statusCode ?? 0,
  type: response.headers['content-type'] ?? '',
  headers: response.headers,
  body: JSON.parse(await textOf(response)),
});

/** Asks an agent, as an application on the board does. */
export const ask = async (
  place: Place,
  method: string,
  path: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
): Promise<LocalAnswer> => {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  return answerOf(await send(place, method, path, text, headers));
};

/** Posts a picture; `headers` beside its type. */
export const postPicture = async (
  place: Place,
  query: string,
  type: string,
  bytes: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<LocalAnswer> =>
  answerOf(await send(place, 'POST', `/v1/infer${query}`, bytes, { 'content-type': type, ...headers }));

/** The metrics as text. */
export const askMetrics = async (place: Place): Promise<{ readonly type: string; readonly text: string }> => {
  const response = await send(place, 'GET', '/metrics');
  return { type: response.headers['content-type'] ?? '', text: await textOf(response) };
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
