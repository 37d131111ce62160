import { z } from 'zod';

/** A DSSE envelope as it travels: the signature is over the decoded payload, never over this JSON. */
export const envelopeSchema = z
  .object({
    payloadType: z.string(),
    payload: z.base64().describe('base64 of the signed bytes'),
    signatures: z.array(z.object({ keyid: z.string(), sig: z.base64() })).min(1),
  })
  .meta({ id: 'Envelope' });
export type Envelope = z.infer<typeof envelopeSchema>;
