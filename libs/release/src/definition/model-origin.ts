import parseSpdx from 'spdx-expression-parse';
import { z } from 'zod';

/** A data set that a model was trained or tried on. */
export interface Dataset {
  readonly name: string;
  readonly url?: string | undefined;
  readonly description?: string | undefined;
}

/** What `model.yaml` may say of where a model comes from; all of it goes into the bill of materials. */
export interface ModelOrigin {
  /** An SPDX expression such as `Apache-2.0`, or the name of another licence. */
  readonly license?: string;
  readonly authors?: readonly string[];
  readonly datasets?: readonly Dataset[];
  /** Addresses of what it was made from: a repository, a paper, a model elsewhere. */
  readonly sources?: readonly string[];
  /** How files differ from what their first signer signed, by path. */
  readonly provenance?: { readonly changed: Readonly<Record<string, string>> };
}

const line = z
  .string()
  .min(1)
  .max(500)
  .refine((text) => !/[\r\n]/.test(text) && text.trim() === text, 'expected one line without spaces around it');
const address = z.url({ protocol: /^https?$/, error: 'expected an address such as https://example.org/model' });

/** The keys of `model.yaml` that say where a model comes from. */
export const modelOriginShape = {
  license: line.optional(),
  authors: z.array(line).min(1).max(100).optional(),
  datasets: z
    .array(
      z.union(
        [
          line.transform((name) => ({ name })),
          z.strictObject({ name: line, url: address.optional(), description: line.optional() }),
        ],
        'expected a name, or name, url and description',
      ),
    )
    .min(1)
    .max(100)
    .optional(),
  sources: z.array(address).min(1).max(100).optional(),
  provenance: z.strictObject({ changed: z.record(z.string(), line) }).optional(),
};

/** What is there of it, and no key that is undefined. */
export function originOf(input: { [Key in keyof ModelOrigin]: ModelOrigin[Key] | undefined }): ModelOrigin {
  const { license, authors, datasets, sources, provenance } = input;
  return {
    ...(license === undefined ? {} : { license }),
    ...(authors === undefined ? {} : { authors }),
    ...(datasets === undefined ? {} : { datasets }),
    ...(sources === undefined ? {} : { sources }),
    ...(provenance === undefined ? {} : { provenance }),
  };
}

/** What an SPDX licence expression is: one licence of the list, more of them, or no expression at all. */
export function licenceKind(text: string): 'id' | 'expression' | 'name' {
  try {
    const parsed = parseSpdx(text);
    return 'license' in parsed &&
      parsed.plus !== true &&
      parsed.exception === undefined &&
      !parsed.license.includes('Ref-')
      ? 'id'
      : 'expression';
  } catch {
    return 'name';
  }
}
