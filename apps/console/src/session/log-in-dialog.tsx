import { Modal, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { LogInForm } from './log-in-form.tsx';
import { sessionStore } from './session-store.ts';
import { useSession } from './use-session.ts';

/** Over the page of somebody whose session has ended, so that what they have typed is still there afterwards. */
export const LogInDialog = () => {
  const { session, expired } = useSession();
  const client = useQueryClient();
  return (
    <Modal
      opened={expired}
      onClose={() => undefined}
      withCloseButton={false}
      closeOnEscape={false}
      closeOnClickOutside={false}
      title="Your session has ended"
      zIndex={1000}
    >
      <Text size="sm" c="dimmed" mb="md">
        Log in again. What you have typed is kept; submit it once more afterwards.
      </Text>
      <LogInForm
        name={session?.name ?? ''}
        onLoggedIn={(next) => {
          sessionStore.begin(next);
          void client.invalidateQueries();
        }}
      />
    </Modal>
  );
};
