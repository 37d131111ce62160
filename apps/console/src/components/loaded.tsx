import { Skeleton, Stack } from '@mantine/core';
import { useReducedMotion } from '@mantine/hooks';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { ProblemAlert } from './problem-alert.tsx';

interface Props<Data> {
  readonly query: Pick<UseQueryResult<Data>, 'data' | 'error'>;
  /** What could not be read, for the error. */
  readonly what: string;
  readonly rows?: number;
  readonly children: (data: Data) => ReactNode;
}

/** What a query brought; grey lines until it is there, the problem when it cannot be read. */
export const Loaded = <Data,>({ query, what, rows = 4, children }: Props<Data>) => {
  const still = useReducedMotion();
  if (query.data !== undefined) return children(query.data);
  if (query.error !== null) return <ProblemAlert error={query.error} title={`Could not read ${what}`} />;
  return (
    <Stack gap="xs" aria-busy aria-label={`Reading ${what}`} role="status" py="xs">
      {Array.from({ length: rows }, (_, row) => `row ${row}`).map((row) => (
        <Skeleton key={row} height={18} radius="sm" animate={!still} />
      ))}
    </Stack>
  );
};
