import { Text } from '@mantine/core';

interface Props {
  readonly running: string | null;
  readonly assigned: string | null;
}

/** What a device runs, and what it is to run where that is something else. */
export const ReleaseCell = ({ running, assigned }: Props) => (
  <span className="mono">
    {running === null ? (
      <Text component="span" c="dimmed" size="sm" ff="text">
        nothing
      </Text>
    ) : (
      running
    )}
    {assigned !== null && assigned !== running && (
      <Text component="span" size="sm" c="var(--av-warning)" inherit title={`Assigned: ${assigned}`}>
        {' → '}
        {assigned}
      </Text>
    )}
  </span>
);
