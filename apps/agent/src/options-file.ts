import { readFileSync } from 'node:fs';

/** A file of options cannot be read, or a line of it is no option. */
export class OptionsFileError extends Error {
  readonly code = 'options-file-invalid';
}

/** What options there are, as `parseArgs` takes them. */
type OptionTypes = Readonly<Record<string, { readonly type: 'string' | 'boolean' }>>;

/**
 * Options from a file: `name = value`, or `name` alone for what is switched on, one a line and without the dashes; `#` begins a
 * line of comment.
 * @returns them as words of a command line
 * @throws OptionsFileError naming the line
 */
export const readOptionsFile = (path: string, options: OptionTypes): string[] => {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new OptionsFileError(`The options cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  return text.split('\n').flatMap((line, index) => {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) return [];
    const wrong = (expected: string): OptionsFileError =>
      new OptionsFileError(`${path}, line ${index + 1}: expected ${expected}, got "${trimmed}".`);
    const [, name = '', value] = /^([^=\s]*)\s*(?:=\s*(.*))?$/.exec(trimmed) ?? [];
    if (!Object.hasOwn(options, name)) throw wrong('"name = value" with an option of aviary-agent, without its dashes');
    if (options[name]?.type === 'boolean') {
      if (value !== undefined) throw wrong(`"${name}" alone, or no such line`);
      return [`--${name}`];
    }
    if (value === undefined || value === '') throw wrong(`"${name} = value"`);
    return [`--${name}=${value}`];
  });
};
