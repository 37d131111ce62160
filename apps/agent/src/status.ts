import { validityOf } from './identity/credentials.ts';
import type { Identity } from './identity/identity.ts';
import { networkFence } from './inference/network-fence.ts';
import { openSampleStore } from './learning/sample-store.ts';
import { peekJournal } from './state/journal.ts';
import type { TpmSeal } from './tpm/tpm.ts';

/** How the keys are kept, in words. */
export const keptAs = (seal: Pick<TpmSeal, 'pcrs'> | undefined): string => {
  if (seal === undefined) return 'in files of mode 0600';
  return `sealed by the TPM${seal.pcrs === null ? '' : `, bound to the PCRs ${seal.pcrs}`}`;
};

/** What `aviary-agent status` says. @throws AgeError; what the disk throws */
export const statusLines = async (stateDirectory: string, identity: Identity): Promise<string[]> => {
  const { deviceId, deviceUrl, epoch, models } = identity;
  const journal = await peekJournal(stateDirectory);
  const lines = [`device     ${deviceId} (epoch ${epoch}) of ${deviceUrl}`];
  const validity = validityOf(identity.certificate);
  if (validity !== undefined) lines.push(`proved by  a certificate until ${new Date(validity.to).toISOString()}`);
  lines.push(`keys       ${keptAs(identity.keeping.seal)}`);
  const { closed, words } = networkFence();
  lines.push(`workers    ${closed ? 'without a network' : 'not kept from the network'}: ${words}`);
  if (models !== undefined) lines.push(`takes      releases of ${models.join(', ')}`);
  if (journal === undefined) {
    lines.push('journal    none: it has not run yet');
  } else {
    const { committed, previous, candidate, staged, rollbackFloor, sequence, quarantined } = journal;
    const named = (release: { release: string; variant: string } | null | undefined): string =>
      release === null || release === undefined ? 'none' : `${release.release} ${release.variant}`;
    lines.push(
      `committed  ${named(committed)}${quarantined.includes(committed?.digest ?? '') ? ' (quarantined: its workers keep dying)' : ''}`,
      `before it  ${named(previous)}`,
      `candidate  ${named(candidate?.release)}${candidate === null ? '' : ` (${candidate.stage})`}`,
      ...(staged === null ? [] : [`staged     ${named(staged)}`]),
      `floor      ${rollbackFloor}, assignment ${sequence}`,
    );
  }
  for (const { digest, samples, perLabel } of await (await openSampleStore(stateDirectory, identity, 1)).count()) {
    const each = Object.entries(perLabel).map(([label, count]) => `${label} ${count}`);
    lines.push(`learnt     ${samples} samples of backbone ${digest.slice(0, 12)}: ${each.join(', ') || 'none'}`);
  }
  return lines;
};
