import { Button, Grid, Group, Stack, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import type { FormEvent, ReactNode } from 'react';
import { Equivalent } from './equivalent.tsx';
import { Panel } from './panel.tsx';
import type { PlacedProblems } from './placed-problems.ts';
import { ProblemAlert } from './problem-alert.tsx';
import { RoleButton } from './role-button.tsx';

interface Words {
  /** Over what the dry run says. */
  readonly title: string;
  /** On the button that asks for one. */
  readonly tryIt: string;
  /** What a dry run will say, while there was none. */
  readonly before: string;
  /** Why it cannot be started without one. */
  readonly tryFirst: string;
  /** Over what went wrong. */
  readonly failed: string;
}

interface Props<Spec, Preview> {
  /** What the form says now. */
  readonly spec: Spec;
  readonly problems: PlacedProblems;
  readonly words: Words;
  /** The command that does the same. */
  readonly command: string;
  readonly dryRun: (spec: Spec) => Promise<Preview>;
  readonly start: (spec: Spec) => Promise<unknown>;
  /** Shows what came of the dry run. */
  readonly show: (preview: Preview) => ReactNode;
  /** The fields. */
  readonly children: ReactNode;
}

/** A form whose specification is tried by a dry run first, and can be started as it was tried. */
export const DryRunForm = <Spec, Preview>({
  spec,
  problems,
  words,
  command,
  dryRun,
  start,
  show,
  children,
}: Props<Spec, Preview>) => {
  const told = { onMutate: () => problems.take(null), onError: problems.take };
  const trying = useMutation({ mutationFn: dryRun, ...told });
  const starting = useMutation({ mutationFn: start, ...told });
  const tried = trying.data !== undefined;
  const fresh = tried && JSON.stringify(trying.variables) === JSON.stringify(spec);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    trying.mutate(spec);
  };

  return (
    <form onSubmit={submit} noValidate>
      <Grid gap="md">
        <Grid.Col span={{ base: 12, lg: 7 }}>
          <Stack gap="md">{children}</Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 5 }}>
          <Stack gap="md">
            <Panel
              title={words.title}
              actions={
                <Group gap="xs">
                  <Button type="submit" variant="default" size="xs" loading={trying.isPending}>
                    {words.tryIt}
                  </Button>
                  <RoleButton
                    size="xs"
                    loading={starting.isPending}
                    refusal={fresh ? null : words.tryFirst}
                    onClick={() => starting.mutate(spec)}
                  >
                    Start
                  </RoleButton>
                </Group>
              }
            >
              <Stack gap="sm">
                <ProblemAlert error={problems.error} title={words.failed} />
                {!tried && problems.error === null && (
                  <Text size="sm" c="dimmed">
                    {words.before}
                  </Text>
                )}
                {tried && !fresh && (
                  <Text size="sm" c="var(--av-warning)">
                    The form has changed since. What follows is what it said before.
                  </Text>
                )}
                {trying.data !== undefined && show(trying.data)}
              </Stack>
            </Panel>
            <Panel title="In a terminal">
              <Equivalent command={command} />
            </Panel>
          </Stack>
        </Grid.Col>
      </Grid>
    </form>
  );
};
