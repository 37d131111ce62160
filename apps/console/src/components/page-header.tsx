import { Anchor, Group, Stack, Text, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';

interface Props {
  /** Also the title of the browser's tab. */
  readonly title: string;
  readonly subtitle?: ReactNode;
  /** The page above this one. */
  readonly parent?: { readonly to: string; readonly label: string };
  /** Set in the face of ids: a device, a release, a rollout. */
  readonly mono?: boolean;
  /** What can be done here. */
  readonly children?: ReactNode;
}

export const PageHeader = ({ title, subtitle, parent, mono = false, children }: Props) => (
  <Group justify="space-between" align="flex-end" gap="md" mb="lg">
    <title>{`${title} · Aviary`}</title>
    <Stack gap={2}>
      {parent !== undefined && (
        <Anchor renderRoot={(props) => <Link to={parent.to} {...props} />} size="sm">
          {parent.label}
        </Anchor>
      )}
      <Title order={1} className={mono ? 'mono' : ''}>
        {title}
      </Title>
      {subtitle !== undefined && (
        <Text component="div" c="dimmed" size="sm">
          {subtitle}
        </Text>
      )}
    </Stack>
    {children !== undefined && <Group gap="xs">{children}</Group>}
  </Group>
);
