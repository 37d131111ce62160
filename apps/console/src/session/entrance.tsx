import { Group, Paper, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { BrandMark } from '../shell/brand.tsx';
import { SchemeSwitch } from '../shell/scheme-switch.tsx';

/** The page before the console: a mark, a heading, a form. */
export const Entrance = ({ title, words, children }: { title: string; words: ReactNode; children: ReactNode }) => (
  <Stack component="main" align="center" justify="center" mih="100vh" p="md">
    <title>{`${title} · Aviary`}</title>
    <Paper withBorder p="xl" w="100%" maw={420} radius="md" bg="var(--av-surface)">
      <Group justify="space-between" mb="lg">
        <Group gap="sm">
          <BrandMark size={30} />
          <Text fw={650} size="lg">
            Aviary
          </Text>
        </Group>
        <SchemeSwitch />
      </Group>
      <Title order={1} mb={4}>
        {title}
      </Title>
      <Text component="div" size="sm" c="dimmed" mb="lg">
        {words}
      </Text>
      {children}
    </Paper>
  </Stack>
);
