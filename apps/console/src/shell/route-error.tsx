import { Button, Container, Stack } from '@mantine/core';
import { type ErrorComponentProps, Link, useRouter } from '@tanstack/react-router';
import { EmptyState } from '../components/empty-state.tsx';
import { ProblemAlert } from '../components/problem-alert.tsx';

/** A page that cannot be shown: no answer from the control plane, or a mistake of ours. */
export const RouteError = ({ error, reset }: ErrorComponentProps) => {
  const router = useRouter();
  return (
    <Container size="sm" py="xl">
      <title>Not shown · Aviary</title>
      <Stack>
        <ProblemAlert error={error} title="This page cannot be shown" />
        <Button
          variant="default"
          onClick={() => {
            reset();
            void router.invalidate();
          }}
        >
          Try again
        </Button>
      </Stack>
    </Container>
  );
};

export const RouteUnknown = () => (
  <>
    <title>Not found · Aviary</title>
    <EmptyState title="There is no such page" action={<Link to="/">To the overview</Link>}>
      The address may be mistyped, or the page has moved.
    </EmptyState>
  </>
);
