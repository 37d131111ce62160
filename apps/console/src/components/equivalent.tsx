import { ActionIcon, CopyButton, Text } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import classes from './equivalent.module.css';

interface Props {
  /** What a person would type; several lines are several commands. */
  readonly command: string;
  readonly label?: string;
}

/** The command line that does the same as what is beside it. */
export const Equivalent = ({ command, label = 'The same as a command' }: Props) => (
  <div style={{ width: '100%', minWidth: 0 }}>
    <Text size="xs" c="dimmed" mb={4} ta="start">
      {label}
    </Text>
    <div className={classes.box}>
      <pre className={classes.command}>{command}</pre>
      <CopyButton value={command}>
        {({ copied, copy }) => (
          <ActionIcon variant="subtle" color="gray" onClick={copy} aria-label={copied ? 'Copied' : 'Copy the command'}>
            {copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
          </ActionIcon>
        )}
      </CopyButton>
    </div>
  </div>
);
