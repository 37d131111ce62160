import { Autocomplete } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { ReleaseSummary } from '../api/generated/index.ts';
import { queries } from '../api/queries.ts';

interface Props {
  readonly description?: ReactNode;
  readonly value: string;
  readonly onChange: (value: string) => void;
  /** What the control plane says of it. */
  readonly error: string | undefined;
  /** Which releases are offered; all of them unless said otherwise. Any may be typed. */
  readonly offers?: (release: ReleaseSummary) => boolean;
}

/** Asks for a release, and offers those that there are. */
export const ReleaseInput = ({ offers = () => true, ...input }: Props) => {
  const releases = useInfiniteQuery(queries.releases());
  return (
    <Autocomplete
      label="Release"
      placeholder="meter-reader@1.1.0"
      data={releases.data?.pages.flatMap(({ items }) => items.filter(offers).map(({ release }) => release)) ?? []}
      {...input}
    />
  );
};
