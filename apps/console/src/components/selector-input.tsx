import { parseSelector, SelectorError } from '@aviary/rollout';
import { Text, TextInput } from '@mantine/core';
import { useState } from 'react';

interface Props {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  /** What the control plane says of it. */
  readonly error?: string | undefined;
}

/** What is wrong with a selector, in the words of its parser: the place is under the text. */
const selectorProblem = (text: string): string | undefined => {
  try {
    parseSelector(text);
    return undefined;
  } catch (error) {
    if (error instanceof SelectorError) return error.message;
    throw error;
  }
};

/** The first line says what is wrong; the others are the text and a caret, which only one width of letters lines up. */
const PlacedError = ({ message }: { message: string }) => {
  const [words, ...place] = message.split('\n');
  return (
    <>
      {words}
      {place.length > 0 && (
        <Text component="span" className="mono" display="block" mt={4} style={{ whiteSpace: 'pre', overflowX: 'auto' }}>
          {place.join('\n')}
        </Text>
      )}
    </>
  );
};

/** Asks which devices are meant. Once it was left, it is checked while one types. */
export const SelectorInput = ({ label, value, onChange, error }: Props) => {
  const [left, setLeft] = useState(false);
  const problem = left ? selectorProblem(value) : undefined;
  const shown = problem ?? error;
  return (
    <TextInput
      label={label}
      description="A selector over labels, facts, profile, release, model and presence: site=lyon, profile in (rpi4, rpi5), fact.memoryMB >= 4000, all"
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      onBlur={() => setLeft(true)}
      error={shown === undefined ? undefined : <PlacedError message={shown} />}
      errorProps={{ component: 'div' }}
      styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
      spellCheck={false}
      autoComplete="off"
    />
  );
};
