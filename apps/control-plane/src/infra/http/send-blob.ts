import type { OutgoingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { BlobStore } from '../blob-store.ts';
import { parseRange } from './range.ts';
import { sendPieces } from './send-pieces.ts';

/**
 * Answers with the bytes of a blob, or the range of them that is asked for (RFC 9110, 14).
 * @param blob one that is there, and its length in bytes
 */
export const sendBlob = async (
  request: FastifyRequest,
  reply: FastifyReply,
  blobs: BlobStore,
  { sha256, length }: { readonly sha256: string; readonly length: number },
): Promise<void> => {
  const range = parseRange(request.headers.range, length);
  void reply.header('accept-ranges', 'bytes').header('etag', `"${sha256}"`).type('application/octet-stream');
  if (range === 'unsatisfiable') {
    await reply.status(416).header('content-range', `bytes */${length}`).send();
    return;
  }
  const { start, end } = range ?? { start: 0, end: length - 1 };
  if (range !== undefined) void reply.status(206).header('content-range', `bytes ${start}-${end}/${length}`);
  void reply.header('content-length', end - start + 1);
  const pieces = blobs.read(sha256, start, end);
  reply.hijack();
  reply.raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders);
  await sendPieces(reply.raw, pieces);
};
