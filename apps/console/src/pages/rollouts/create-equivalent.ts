import { stringify } from 'yaml';
import { shellWord } from '../../components/shell-word.ts';
import { newRolloutForm, type RolloutForm, specOf } from './rollout-form.ts';
import { isUsual, PRIORITY, textOf } from './rollout-settings.ts';

/** Whether flags alone can say it: what they cannot say is as the command would have it. */
const isPlain = (form: RolloutForm): boolean => {
  const usual = newRolloutForm(form.release);
  const { target, waves, newcomers, onFailure } = usual;
  const settings = { ...form.settings, [PRIORITY.path]: PRIORITY.usual };
  const beside = { ...form, target, waves, newcomers, onFailure, settings };
  return (
    JSON.stringify(specOf(beside)) === JSON.stringify(specOf(usual)) &&
    form.waves.every(({ minimum, soak }) => minimum.trim() === '' && soak.trim() === form.waves[0]?.soak.trim())
  );
};

/** The command that does what the form does: with flags where they can say it, else with a file. */
export const createEquivalent = (form: RolloutForm, dryRun = false): string => {
  const end = dryRun ? ' --dry-run' : '';
  if (!isPlain(form)) {
    return `aviary rollout create -f /dev/stdin${end} <<'END'\n${stringify(specOf(form))}END`;
  }
  const flags = [
    `--release ${shellWord(form.release.trim() || 'model@version')}`,
    `--target ${shellWord(form.target.trim())}`,
    `--waves ${shellWord(form.waves.map(({ size }) => size.trim()).join(','))}`,
    `--soak ${shellWord(form.waves[0]?.soak.trim() ?? '')}`,
    ...(isUsual(form.settings, PRIORITY) ? [] : [`--priority ${shellWord(textOf(form.settings, PRIORITY))}`]),
    ...(form.newcomers === 'join' ? [] : [`--newcomers ${form.newcomers}`]),
    ...(form.onFailure === 'rollback-all' ? [] : [`--on-failure ${form.onFailure}`]),
  ];
  return `aviary rollout create ${flags.join(' ')}${end}`;
};
