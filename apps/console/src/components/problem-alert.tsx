import { Alert, List, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { ProblemError } from '../api/problem-error.ts';

interface Props {
  readonly error: unknown;
  /** What could not be done. */
  readonly title?: string;
}

/** A session that has ended is asked for again in a dialog; a form then only has to be submitted once more. */
const SESSION_ENDED = 'Your session had ended. Log in, and submit once more; what you have typed is kept.';

const wordsOf = (error: unknown): string => {
  if (error instanceof ProblemError && error.code === 'not-authorized') return SESSION_ENDED;
  return error instanceof Error ? error.message : String(error);
};

/** What went wrong, in the words of the control plane; places in a text stay under each other. */
export const ProblemAlert = ({ error, title = 'That did not work' }: Props) => {
  if (error === null || error === undefined) return null;
  const message = wordsOf(error);
  const problems = error instanceof ProblemError ? error.problems : [];
  return (
    <Alert role="alert" color="red" variant="outline" icon={<IconAlertTriangle />} title={title}>
      {/* With places named, the message is only all of them in one sentence. */}
      {problems.length === 0 && (
        <Text
          size="sm"
          c="var(--mantine-color-text)"
          className={message.includes('\n') ? 'mono' : ''}
          style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}
        >
          {message}
        </Text>
      )}
      {problems.length > 0 && (
        <List size="sm" style={{ overflowWrap: 'anywhere' }}>
          {problems.map(({ path, message: words }) => (
            <List.Item key={`${path} ${words}`}>
              {path !== '' && <code className="mono">{path}: </code>}
              <span className={words.includes('\n') ? 'mono' : ''} style={{ whiteSpace: 'pre-wrap' }}>
                {words}
              </span>
            </List.Item>
          ))}
        </List>
      )}
    </Alert>
  );
};
