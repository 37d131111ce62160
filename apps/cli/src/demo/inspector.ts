import { type IncomingMessage, request } from 'node:http';
import { z } from 'zod';

const resultSchema = z.object({ id: z.string(), source: z.string() });

/** The application on a board did not answer as its local API says. */
export class InspectorError extends Error {
  readonly code = 'inspector-failed';
}

const send = (socketPath: string, method: string, path: string, signal: AbortSignal, body?: string) =>
  new Promise<IncomingMessage>((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    request({ socketPath, method, path, headers, signal }, resolve).once('error', reject).end(body);
  });

const textOf = async (message: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const chunk of message.setEncoding('utf8')) text += chunk;
  return text;
};

/** The data of each server-sent event (WHATWG HTML, 9.2.6), as far as the agent writes it: one line of data each. */
async function* eventsOf(message: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of message.setEncoding('utf8')) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('data:')) yield line.slice(5).trim();
  }
}

/**
 * Somebody on the spot who knows the right answers: follows what the model says on one board, and tells the agent the
 * label of each picture once, through its local API.
 * @param answers label by file
 * @param wanted labels to give
 * @returns how many were given when all are, or when the signal ended it
 * @throws InspectorError with the agent's words when it takes none
 */
export const inspect = async (
  socketPath: string,
  answers: ReadonlyMap<string, string>,
  wanted: number,
  signal: AbortSignal,
): Promise<number> => {
  const given = new Set<string>();
  const results = await send(socketPath, 'GET', '/v1/results', signal);
  try {
    for await (const data of eventsOf(results)) {
      const result = resultSchema.safeParse(JSON.parse(data));
      if (!result.success) continue;
      const { id, source } = result.data;
      const label = answers.get(source);
      if (label === undefined || given.has(source)) continue;
      const answer = await send(socketPath, 'POST', '/v1/feedback', signal, JSON.stringify({ id, label }));
      const words = await textOf(answer);
      if (answer.statusCode !== 200) throw new InspectorError(`Feedback was refused (${answer.statusCode}): ${words}`);
      given.add(source);
      if (given.size >= wanted) break;
    }
  } finally {
    results.destroy();
  }
  return given.size;
};
