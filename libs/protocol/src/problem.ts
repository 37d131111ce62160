import { z } from 'zod';

/** An error as it leaves the control plane: RFC 9457, with a stable `code` for programs. */
export const problemSchema = z
  .object({
    type: z.string().describe('a URI reference naming the kind of problem'),
    title: z.string(),
    status: z.int(),
    code: z.string().describe('stable, for programs'),
    detail: z.string().describe('what was expected, what came, what to do'),
    problems: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe('every place that is wrong, when the input was'),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof problemSchema>;

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';
