import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OperatorProfileTask, Problem, RoundEvaluationReport, RoundTask } from '@aviary/protocol';
import type { TestPki } from './fleet-pki.ts';
import { FleetServer } from './fleet-server.ts';

export interface SentUpdate {
  readonly round: string;
  readonly query: URLSearchParams;
  readonly bytes: Buffer;
}

/** Stands for the control plane's device plane where it asks something of a device: one task of a kind; it remembers what it was told. */
export class RoundServer {
  /** What devices are asked; null: nothing. */
  task: RoundTask | null = null;
  profileTask: OperatorProfileTask | null = null;
  aggregate: Buffer = Buffer.alloc(0);
  /** What happens to the next answers, in order; then they are taken. */
  readonly manners: ('drops' | Pick<Problem, 'status' | 'code'>)[] = [];
  /** Path and method of every request. */
  readonly asked: string[] = [];
  /** All that came, also what was not taken. */
  readonly updates: SentUpdate[] = [];
  readonly evaluations: RoundEvaluationReport[] = [];
  readonly declines: { readonly code: string; readonly reason: string }[] = [];
  readonly #server = new FleetServer((request, response) => void this.#answer(request, response));

  /** @returns its address */
  start(pki: TestPki): Promise<string> {
    return this.#server.start(pki);
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', 'https://server');
    this.asked.push(`${request.method} ${pathname}`);
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const [, round = '', action = ''] = /^\/device\/v1\/rounds\/([^/]+)\/(\w+)$/.exec(pathname) ?? [];
    if (pathname === '/device/v1/round' || pathname === '/device/v1/operator-profile') {
      const task = pathname === '/device/v1/round' ? this.task : this.profileTask;
      if (task === null) refuse(response, { status: 404, code: 'nothing-asked' });
      else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(task));
    } else if (action === 'aggregate') {
      response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(this.aggregate);
    } else if (action === 'update' || action === 'evaluation' || action === 'decline') {
      if (action === 'update') this.updates.push({ round, query: searchParams, bytes: body });
      else if (action === 'evaluation') this.evaluations.push(JSON.parse(body.toString()));
      else this.declines.push(JSON.parse(body.toString()));
      const manner = this.manners.shift();
      if (manner === 'drops') {
        request.socket.destroy();
        return;
      }
      if (manner === undefined) this.task = null;
      if (manner === undefined) response.writeHead(204).end();
      else refuse(response, manner);
    } else {
      refuse(response, { status: 404, code: 'assignment-unknown' });
    }
  }
}

const refuse = (response: ServerResponse, { status, code }: Pick<Problem, 'status' | 'code'>): void => {
  const problem: Problem = { type: 'about:blank', title: 'Refused', status, code, detail: `refused: ${code}` };
  response.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
};
