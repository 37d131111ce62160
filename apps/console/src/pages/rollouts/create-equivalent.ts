import { stringify } from 'yaml';
import { shellWord } from '../../components/shell-word.ts';
import { newRolloutForm, type RolloutForm, specOf } from './rollout-form.ts';

/** Whether flags alone can say it: the gates, deadline and probation that the command would ask for as well. */
const isPlain = (form: RolloutForm): boolean => {
  const usual = newRolloutForm(form.release);
  const rest = ({ strategy, gates }: Record<string, unknown>) => {
    const { waves: _, ...others } = strategy as { waves: unknown };
    return JSON.stringify([others, gates]);
  };
  return (
    rest(specOf(form)) === rest(specOf(usual)) &&
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
    ...(form.onFailure === 'rollback-all' ? [] : [`--on-failure ${form.onFailure}`]),
  ];
  return `aviary rollout create ${flags.join(' ')}${end}`;
};
