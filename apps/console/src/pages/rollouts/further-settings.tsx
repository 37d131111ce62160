import { Accordion, Radio, SimpleGrid, Stack, Switch, Text, TextInput } from '@mantine/core';
import { type ReactNode, useEffect, useState } from 'react';
import { Panel } from '../../components/panel.tsx';
import type { PlacedProblems } from '../../components/placed-problems.ts';
import classes from './further-settings.module.css';
import { pacePhrase, peoplePhrase, precedencePhrase, shadowPhrase, switchPhrase } from './further-words.ts';
import type { RolloutForm } from './rollout-form.ts';
import {
  FORCE_AFTER,
  MODES,
  NEWCOMERS,
  PRIORITY,
  RATE,
  REQUIRES,
  RETRIES,
  type Setting,
  SHADOW,
  UNCERTAIN,
  WINDOW,
} from './rollout-settings.ts';

interface Props {
  readonly form: RolloutForm;
  readonly problems: PlacedProblems;
  readonly onChange: (changes: Partial<RolloutForm>) => void;
}

interface Section {
  /** Part of ids in the page. */
  readonly key: string;
  readonly title: string;
  /** What it says now, in a few words: a closed section hides nothing. */
  readonly phrase: (form: RolloutForm) => string;
  /** Places of the specification that stand in it. */
  readonly places: readonly string[];
  readonly Fields: (props: Props) => ReactNode;
}

/** One text of the form that is rarely touched. */
export const SettingInput = ({ form, problems, onChange, setting }: Props & { readonly setting: Setting }) => (
  <TextInput
    label={setting.label}
    description={setting.description}
    inputWrapperOrder={['label', 'input', 'description', 'error']}
    {...(setting.placeholder === undefined ? {} : { placeholder: setting.placeholder })}
    value={form.settings[setting.path] ?? ''}
    error={problems.at(setting.path)}
    onChange={(event) => {
      problems.changed(setting.path);
      onChange({ settings: { ...form.settings, [setting.path]: event.currentTarget.value } });
    }}
    autoComplete="off"
  />
);

const Inputs = ({ settings, ...props }: Props & { readonly settings: readonly Setting[] }) => (
  <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="sm">
    {settings.map((setting) => (
      <SettingInput key={setting.path} setting={setting} {...props} />
    ))}
  </SimpleGrid>
);

interface ChoiceProps<Value extends string> {
  readonly label: string;
  readonly value: Value;
  readonly choices: readonly { readonly value: Value; readonly label: string; readonly description: string }[];
  readonly error: string | undefined;
  readonly onChange: (value: Value) => void;
}

const Choice = <Value extends string>({ label, value, choices, error, onChange }: ChoiceProps<Value>) => (
  <Radio.Group label={label} value={value} error={error} onChange={onChange}>
    <Stack gap="xs" mt="xs">
      {choices.map((each) => (
        <Radio key={each.value} {...each} />
      ))}
    </Stack>
  </Radio.Group>
);

const ShadowFields = (props: Props) => {
  const { form, problems, onChange } = props;
  return (
    <Stack gap="sm">
      <Switch
        label="Run in shadow first"
        description="Before it serves, the release sees the same frames beside the one that does; what it says is compared, and thrown away"
        checked={form.inShadow}
        error={problems.at('strategy.shadow')}
        onChange={(event) => {
          problems.changed('strategy.shadow');
          onChange({ inShadow: event.currentTarget.checked });
        }}
      />
      {form.inShadow && <Inputs {...props} settings={SHADOW} />}
    </Stack>
  );
};

/** What is refused beside one mode and not beside another. */
const OF_MODE = ['strategy.mode', 'strategy.forceAfter', 'strategy.shadow', 'strategy.probation', 'gates'];

const SwitchFields = (props: Props) => {
  const { form, problems, onChange } = props;
  return (
    <Stack gap="sm">
      <Choice
        label="A device switches"
        value={form.mode}
        choices={MODES}
        error={problems.at('strategy.mode')}
        onChange={(mode) => {
          for (const place of OF_MODE) problems.changed(place);
          onChange({ mode });
        }}
      />
      {form.mode === 'soft' && <Inputs {...props} settings={[FORCE_AFTER]} />}
      <Text size="sm" fw={600}>
        Window{' '}
        <Text span size="sm" c="dimmed">
          outside of which no device is told, and none switches; empty: at any time
        </Text>
      </Text>
      <Inputs {...props} settings={WINDOW} />
    </Stack>
  );
};

const PaceFields = (props: Props) => <Inputs {...props} settings={[...RATE, RETRIES]} />;

const PrecedenceFields = (props: Props) => {
  const { form, problems, onChange } = props;
  return (
    <Stack gap="sm">
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        <SettingInput setting={PRIORITY} {...props} />
        <SettingInput setting={REQUIRES} {...props} />
      </SimpleGrid>
      <Choice
        label="Devices that begin to fit while it is under way"
        value={form.newcomers}
        choices={NEWCOMERS}
        error={problems.at('newcomers')}
        onChange={(newcomers) => {
          problems.changed('newcomers');
          onChange({ newcomers });
        }}
      />
    </Stack>
  );
};

const PeopleFields = ({ form, problems, onChange }: Props) => (
  <Stack gap="sm">
    <Switch
      label="Needs approval"
      description="It begins when somebody else than its creator has approved it"
      checked={form.needsApproval}
      error={problems.at('approval')}
      onChange={(event) => {
        problems.changed('approval');
        onChange({ needsApproval: event.currentTarget.checked });
      }}
    />
    <Choice
      label="A wave whose gates cannot tell"
      value={form.onUncertain}
      choices={UNCERTAIN}
      error={problems.at('onUncertain')}
      onChange={(onUncertain) => {
        problems.changed('onUncertain');
        onChange({ onUncertain });
      }}
    />
  </Stack>
);

const SECTIONS: readonly Section[] = [
  { key: 'shadow', title: 'Shadow', phrase: shadowPhrase, places: ['strategy.shadow'], Fields: ShadowFields },
  {
    key: 'switch',
    title: 'Window and consent',
    phrase: switchPhrase,
    places: ['strategy.mode', 'strategy.forceAfter', 'strategy.window'],
    Fields: SwitchFields,
  },
  {
    key: 'pace',
    title: 'Pace and retries',
    phrase: pacePhrase,
    places: ['strategy.rate', 'strategy.retries'],
    Fields: PaceFields,
  },
  {
    key: 'precedence',
    title: 'Precedence and newcomers',
    phrase: precedencePhrase,
    places: ['priority', 'requires', 'newcomers'],
    Fields: PrecedenceFields,
  },
  {
    key: 'people',
    title: 'Where people decide',
    phrase: peoplePhrase,
    places: ['onUncertain', 'approval'],
    Fields: PeopleFields,
  },
];

/** What most rollouts leave as it is: closed, with what it says beside each title. Where something is wrong it opens. */
export const FurtherSettings = (props: Props) => {
  const { form, problems } = props;
  const [opened, setOpened] = useState<string[]>([]);
  useEffect(() => {
    const wrong = SECTIONS.filter(({ places }) => places.some(problems.isWrong)).map(({ key }) => key);
    if (wrong.length > 0) setOpened((before) => [...new Set([...before, ...wrong])]);
  }, [problems]);
  return (
    <Panel title="Further settings" note="most rollouts leave them as they are" flush>
      <Accordion multiple order={3} value={opened} onChange={setOpened} classNames={classes}>
        {SECTIONS.map(({ key, title, phrase, Fields }) => (
          <Accordion.Item key={key} value={key}>
            <Accordion.Control>
              <Text span size="sm" fw={600}>
                {title}
              </Text>{' '}
              <Text span size="sm" c="dimmed">
                {phrase(form)}
              </Text>
            </Accordion.Control>
            <Accordion.Panel>
              <Fields {...props} />
            </Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
    </Panel>
  );
};
