import { Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { Equivalent } from './equivalent.tsx';

interface Props {
  readonly title: string;
  /** Why it is empty, and what to do next. */
  readonly children: ReactNode;
  /** The next step as commands. */
  readonly commands?: readonly string[];
  readonly action?: ReactNode;
}

/** Says what would be here, and teaches the step that brings it. */
export const EmptyState = ({ title, children, commands = [], action }: Props) => (
  <Stack align="center" gap="sm" py={36} px="md" maw={620} mx="auto">
    <Title order={3} size="h2" ta="center">
      {title}
    </Title>
    <Text component="div" c="dimmed" size="sm" ta="center">
      {children}
    </Text>
    {commands.length > 0 && <Equivalent command={commands.join('\n')} label="In a terminal" />}
    {action}
  </Stack>
);
