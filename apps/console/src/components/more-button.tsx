import { Button, Group } from '@mantine/core';

interface Props {
  readonly query: {
    readonly hasNextPage: boolean;
    readonly isFetchingNextPage: boolean;
    readonly fetchNextPage: () => Promise<unknown>;
  };
  readonly what: string;
}

/** Reads the next page of a list; nothing when this was the last. */
export const MoreButton = ({ query, what }: Props) =>
  query.hasNextPage ? (
    <Group justify="center" py="sm">
      <Button variant="default" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
        More {what}
      </Button>
    </Group>
  ) : null;
