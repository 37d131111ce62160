import { Autocomplete, Button, Group, SegmentedControl, TextInput } from '@mantine/core';
import { IconSearch, IconX } from '@tabler/icons-react';
import { type FormEvent, useEffect, useState } from 'react';
import { type DeviceFilter, NO_PROFILE } from './device-filter.ts';

interface Props {
  readonly filter: DeviceFilter;
  /** What is wrong with the selector, with its place. */
  readonly selectorError: string | undefined;
  /** Profiles to suggest. */
  readonly profiles: readonly string[];
  readonly onChange: (filter: DeviceFilter) => void;
}

type Presence = 'all' | 'online' | 'offline';

/** What the list shows. A filter is part of the address: it can be kept, sent, and gone back to. */
export const FilterBar = ({ filter, selectorError, profiles, onChange }: Props) => {
  const [selector, setSelector] = useState(filter.selector ?? '');
  const [profile, setProfile] = useState(filter.profile ?? '');
  // The address may change from elsewhere: a label, or “back”.
  useEffect(() => setSelector(filter.selector ?? ''), [filter.selector]);
  useEffect(() => setProfile(filter.profile ?? ''), [filter.profile]);

  const change = (part: { selector?: string; profile?: string; presence?: Presence }) => {
    const next = { selector, profile, presence: filter.presence ?? ('all' as const), ...part };
    onChange({
      ...(next.selector.trim() === '' ? {} : { selector: next.selector.trim() }),
      ...(next.presence === 'all' ? {} : { presence: next.presence }),
      ...(next.profile.trim() === '' ? {} : { profile: next.profile.trim() }),
    });
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change({});
  };
  const filtered = filter.selector !== undefined || filter.presence !== undefined || filter.profile !== undefined;

  return (
    <form onSubmit={submit} aria-label="Filter the devices">
      <Group align="flex-start" gap="sm" mb="md">
        <TextInput
          aria-label="Selector"
          placeholder="site = lyon and profile in (rpi4, rpi5)"
          leftSection={<IconSearch size={16} aria-hidden />}
          classNames={{ input: 'mono' }}
          styles={{
            error: { whiteSpace: 'pre', fontFamily: 'var(--mantine-font-family-monospace)', overflowX: 'auto' },
          }}
          style={{ flex: '1 1 320px' }}
          spellCheck={false}
          autoCapitalize="off"
          value={selector}
          onChange={(event) => setSelector(event.currentTarget.value)}
          error={selectorError}
        />
        <SegmentedControl
          aria-label="Presence"
          size="md"
          data={[
            { value: 'all', label: 'All' },
            { value: 'online', label: 'Online' },
            { value: 'offline', label: 'Offline' },
          ]}
          value={filter.presence ?? 'all'}
          onChange={(presence) => change({ presence: presence as Presence })}
        />
        <Autocomplete
          aria-label="Profile"
          placeholder="Any profile"
          data={[...new Set([...profiles, NO_PROFILE])]}
          w={170}
          value={profile}
          onChange={setProfile}
          onOptionSubmit={(chosen) => change({ profile: chosen })}
          onBlur={() => profile !== (filter.profile ?? '') && change({})}
        />
        <Button type="submit" variant="default">
          Filter
        </Button>
        {filtered && (
          <Button variant="subtle" leftSection={<IconX size={14} aria-hidden />} onClick={() => onChange({})}>
            Show all
          </Button>
        )}
      </Group>
    </form>
  );
};
