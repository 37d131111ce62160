import { Button, Group, Modal, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { approveKey, type JoiningKey } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { commandLine } from '../../components/command-line.ts';
import { Equivalent } from '../../components/equivalent.tsx';
import { KeyValue } from '../../components/key-value.tsx';
import { usePlacedProblems } from '../../components/placed-problems.ts';
import { ProblemAlert } from '../../components/problem-alert.tsx';
import { RoleButton } from '../../components/role-button.tsx';
import { useAttempt } from '../../components/use-attempt.ts';
import { fingerprintProblem, isFingerprint } from './fingerprint.ts';
import { readLabels } from './label-text.ts';

/** Errors that name no place, and the field that they are about. */
const PLACE_OF: Readonly<Record<string, string>> = { 'profile-unknown': 'profile' };

/**
 * Lets a board in that waits. Its fingerprint has to be brought here from the board itself: who only looks at the
 * beginning approves whoever has made a key that begins like it.
 */
export const ApproveDialog = ({ asking, onClose }: { asking: JoiningKey; onClose: () => void }) => {
  const client = useQueryClient();
  const problems = usePlacedProblems(PLACE_OF);
  const { busy, attempt } = useAttempt(problems.take);
  const [shown, setShown] = useState('');
  const [name, setName] = useState('');
  const [labelText, setLabelText] = useState('');
  const [profile, setProfile] = useState('');
  const { labels, problems: labelProblems } = readLabels(labelText);
  const isCompared = isFingerprint(shown, asking.fingerprint);
  const isPlaced = problems.isWrong('name') || problems.isWrong('profile');
  const terms = {
    ...(name.trim() === '' ? {} : { name: name.trim() }),
    ...(profile.trim() === '' ? {} : { profile: profile.trim() }),
  };
  const command = commandLine(
    ...['device', 'approve', isCompared ? asking.fingerprint : 'FINGERPRINT'],
    ...Object.entries(terms).flatMap(([flag, value]) => [`--${flag}`, value]),
    ...Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
  );

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!isCompared || labelProblems.length > 0) return;
    attempt(async () => {
      await approveKey({ path: { fingerprint: asking.fingerprint }, body: { ...terms, labels } });
      await client.invalidateQueries(queries.joiningKeys());
      onClose();
    });
  };

  return (
    <Modal opened onClose={onClose} title="Let a board join" size="xl">
      <form onSubmit={submit} noValidate>
        <Stack>
          <KeyValue
            items={[
              ['Calls itself', asking.name ?? 'nothing'],
              ['Looks like', asking.profile ?? 'no profile fits'],
              ['Asks from', asking.address ?? undefined],
            ]}
          />
          <TextInput
            label="Fingerprint, as the board shows it"
            description="All 64 digits, from the board and not from this page: the rest is its own word, and anybody can make a key that begins like another"
            classNames={{ input: 'mono' }}
            value={shown}
            onChange={(event) => setShown(event.currentTarget.value)}
            error={fingerprintProblem(shown, asking.fingerprint)}
            spellCheck={false}
            autoComplete="off"
            data-autofocus
          />
          <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
            <TextInput
              label="Name"
              description="what people call it; empty: what it calls itself"
              placeholder={asking.name ?? ''}
              value={name}
              onChange={(event) => {
                problems.changed('name');
                setName(event.currentTarget.value);
              }}
              error={problems.at('name')}
              autoComplete="off"
            />
            <TextInput
              label="Profile"
              description="only a board of this profile may join with the key; empty: any"
              placeholder={asking.profile ?? 'rpi5'}
              value={profile}
              onChange={(event) => {
                problems.changed('profile');
                setProfile(event.currentTarget.value);
              }}
              error={problems.at('profile')}
              autoComplete="off"
            />
          </SimpleGrid>
          <TextInput
            label="Labels"
            description="key=value, separated by spaces or commas; may stay empty"
            placeholder="site=lyon floor=2"
            classNames={{ input: 'mono' }}
            value={labelText}
            onChange={(event) => setLabelText(event.currentTarget.value)}
            error={labelProblems[0]?.message}
            autoComplete="off"
          />
          <Equivalent command={command} />
          <ProblemAlert error={isPlaced ? null : problems.error} title="It was not approved" />
          <Group justify="flex-end">
            <Text size="sm" c="dimmed" mr="auto" role="status">
              {isCompared ? 'It is the key that asks.' : ''}
            </Text>
            <Button variant="default" onClick={onClose}>
              Leave it
            </Button>
            <RoleButton type="submit" loading={busy} disabled={!isCompared || labelProblems.length > 0}>
              Approve
            </RoleButton>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};
