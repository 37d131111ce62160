import { Group, Text } from '@mantine/core';
import { IconCheck, IconMinus, IconPlayerPlayFilled } from '@tabler/icons-react';
import type { RoundDetail } from '../../api/generated/index.ts';
import { RelativeTime } from '../../components/relative-time.tsx';
import { clockWords } from '../../components/relative-words.ts';
import classes from './phase-line.module.css';
import { PHASES, type PhaseStatus, phaseStatuses } from './round-phases.ts';

const SIGNS: Readonly<Record<PhaseStatus, { icon: typeof IconCheck | null; color: string; words: string }>> = {
  done: { icon: IconCheck, color: 'var(--av-ok)', words: 'done' },
  present: { icon: IconPlayerPlayFilled, color: 'var(--av-active)', words: 'now' },
  'to-come': { icon: null, color: 'var(--av-waiting)', words: 'to come' },
  never: { icon: IconMinus, color: 'var(--av-waiting)', words: 'not reached' },
};

/** A round's phases from left to right, with the present one and when it ends, whatever came. */
export const PhaseLine = ({ round }: { round: RoundDetail }) => {
  const statuses = phaseStatuses(round);
  return (
    <ol className={classes.line}>
      {PHASES.map(({ state, label, meaning }, index) => {
        const status = statuses[index] ?? 'to-come';
        const { icon: Sign, color, words } = SIGNS[status];
        return (
          <li
            key={state}
            className={`${classes.phase} ${classes[status] ?? ''}`}
            {...(status === 'present' ? { 'aria-current': 'step' as const } : {})}
          >
            <Group gap={6} wrap="nowrap">
              {Sign !== null && <Sign size={15} color={color} role="img" aria-label={words} />}
              <Text size="sm" fw={status === 'present' ? 700 : 500} {...(Sign === null ? { c: 'dimmed' } : {})}>
                {label}
              </Text>
            </Group>
            <Text size="xs" c="dimmed">
              {meaning}
            </Text>
            {status === 'present' && round.deadlineAt !== null && (
              <Text size="xs" title={clockWords(round.deadlineAt)}>
                ends <RelativeTime at={round.deadlineAt} />
              </Text>
            )}
          </li>
        );
      })}
    </ol>
  );
};
