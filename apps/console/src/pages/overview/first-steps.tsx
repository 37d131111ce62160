import { Group, Text, Title } from '@mantine/core';
import { IconCircle, IconCircleCheck } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import type { Overview } from '../../api/generated/index.ts';
import { Equivalent } from '../../components/equivalent.tsx';
import { NavAnchor } from '../../components/nav-anchor.tsx';
import { Panel } from '../../components/panel.tsx';
import classes from './first-steps.module.css';

/** What to do with a new control plane; a step that is done says so. */
export const FirstSteps = ({ overview }: { overview: Overview }) => (
  <Panel title="First steps" note="a model on a device, in three steps">
    <ol className={classes.steps}>
      <Step
        title="1. Let a device join"
        done={overview.devices.total > 0}
        commands={['aviary device enroll-token', 'aviary-agent join --token TOKEN']}
      >
        The first command makes a token, the second one uses it on the board. Or make one under{' '}
        <NavAnchor underline="always" to="/devices">
          Devices
        </NavAnchor>
        .
      </Step>
      <Step
        title="2. Publish a release"
        done={overview.releases > 0}
        commands={['aviary key init', 'aviary model push ./my-model']}
      >
        On your own machine: your key signs the model, and it leaves it encrypted. It appears under{' '}
        <NavAnchor underline="always" to="/models">
          Models
        </NavAnchor>
        .
      </Step>
      <Step
        title="3. Roll it out"
        done={overview.rollouts.length > 0}
        commands={['aviary rollout create --release my-model@1.0.0 --waves 100% --soak 10s']}
      >
        In waves, each judged by how the model does on the devices’ own pictures. Watch it under{' '}
        <NavAnchor underline="always" to="/rollouts">
          Rollouts
        </NavAnchor>
        .
      </Step>
    </ol>
  </Panel>
);

interface StepProps {
  readonly title: string;
  readonly done: boolean;
  readonly commands: readonly string[];
  readonly children: ReactNode;
}

const Step = ({ title, done, commands, children }: StepProps) => (
  <li className={`${classes.step} ${done ? classes.done : ''}`}>
    <Group gap={8} mb={6} wrap="nowrap">
      {done ? (
        <IconCircleCheck size={18} color="var(--av-ok)" role="img" aria-label="done" />
      ) : (
        <IconCircle size={18} color="var(--av-waiting)" role="img" aria-label="to do" />
      )}
      <Title order={3}>{title}</Title>
    </Group>
    <Text component="div" size="sm" mb="sm">
      {children}
    </Text>
    {!done && <Equivalent command={commands.join('\n')} label="In a terminal" />}
  </li>
);
