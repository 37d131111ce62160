import { ApiError } from '@aviary/protocol';
import { nearest } from './nearest.ts';
import { UsageError } from './usage-error.ts';

/** How a failure is told, and the exit code it has: 2 when what the user wrote is wrong, else 1. */
export interface Failure {
  readonly text: string;
  readonly exitCode: 1 | 2;
}

/** Stable codes of errors in files that the user wrote: model.yaml, and what it names. */
const CODES_OF_WRONG_FILES = new Set([
  'model-definition-invalid',
  'onnx-invalid',
  'files-missing',
  'labels-invalid',
  'samples-invalid',
  'model-invalid',
  'golden-failed',
  'training-failed',
  'lineage-invalid',
  'provenance-invalid',
  'provenance-unstated',
]);

/** What the parser of command lines adds to the errors that it throws; it exports none of its classes. */
interface ParserError extends Error {
  /** Flags that there are not, with their dashes. */
  readonly flags?: readonly string[];
  /** Arguments that are missing, or, as strings, too many. */
  readonly args?: readonly (string | { readonly name: string; readonly description?: string })[];
  readonly parse?: { readonly input?: { readonly flags?: Readonly<Record<string, unknown>> } };
  readonly oclif?: { readonly exit?: number };
}

const isParserError = (error: Error): error is ParserError => 'oclif' in error;

/** The parser puts its own words around a message. */
const bare = (message: string): string =>
  message
    .replace(/^Parsing --\S+\s+/, '')
    .replace(/^The following errors? occurred:\s+/, '')
    .replace(/\s*See more help with --help$/, '')
    .replaceAll(/Missing required flag (\S+)/g, 'Expected --$1, got nothing');

const parserSentence = (error: ParserError): string => {
  const [flag] = error.flags ?? [];
  if (flag !== undefined) {
    const known = Object.keys(error.parse?.input?.flags ?? {}).map((name) => `--${name}`);
    const meant = nearest(flag, known);
    const whatThen = meant === undefined ? `Expected one of ${known.sort().join(', ')}.` : `Did you mean ${meant}?`;
    return `There is no flag ${flag} here. ${whatThen}`;
  }
  const [argument] = error.args ?? [];
  if (typeof argument === 'string') return `Expected no further argument, got "${argument}".`;
  if (argument !== undefined)
    return `Expected ${argument.name.toUpperCase()} (${argument.description ?? 'an argument'}), got nothing.`;
  return `${bare(error.message).replaceAll(/\s*\n\s*/g, '. ')}.`;
};

/**
 * Tells an error in words for people: what was expected, what came, what to do.
 * @param command the command that failed, e.g. `device list`
 */
export const failureOf = (error: Error, command: string | undefined): Failure => {
  if (error instanceof UsageError) return { text: `aviary: ${bare(error.message)}`, exitCode: 2 };
  if (error instanceof ApiError) {
    const { problems = [], status, title, code } = error.problem;
    const places = problems.map(({ path, message }) => `\n  ${path}: ${message}`).join('');
    const text = problems.length > 1 ? `aviary: ${title}:${places}` : `aviary: ${error.message}`;
    // Whoever answers in no form of ours has not judged the input.
    return { text, exitCode: status === 400 && code !== 'unexpected-answer' ? 2 : 1 };
  }
  if (isParserError(error)) {
    const help = command === undefined ? 'aviary --help' : `aviary ${command} --help`;
    return { text: `aviary: ${parserSentence(error)} See: ${help}`, exitCode: 2 };
  }
  const ofWrongFile = 'code' in error && typeof error.code === 'string' && CODES_OF_WRONG_FILES.has(error.code);
  return { text: `aviary: ${error.message}`, exitCode: ofWrongFile ? 2 : 1 };
};
