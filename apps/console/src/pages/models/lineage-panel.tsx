import { Text, Timeline } from '@mantine/core';
import type { ReleaseDetail } from '../../api/generated/index.ts';
import { Digest } from '../../components/digest.tsx';
import { NavAnchor } from '../../components/nav-anchor.tsx';
import { Panel } from '../../components/panel.tsx';

/** Where a release comes from: its parent, the round that improved it, and itself. */
export const LineagePanel = ({ release }: { release: ReleaseDetail }) => {
  const { lineage } = release;
  return (
    <Panel title="Lineage">
      {lineage === null ? (
        <Text size="sm">Made by its publisher; it did not come out of a federated round.</Text>
      ) : (
        <Timeline bulletSize={14} lineWidth={2} active={2}>
          <Timeline.Item
            title={
              <NavAnchor to="/models/$release" params={{ release: lineage.parent }} className="mono">
                {lineage.parent}
              </NavAnchor>
            }
          >
            <Text size="sm" c="dimmed">
              the parent
            </Text>
          </Timeline.Item>
          <Timeline.Item
            title={
              <NavAnchor to="/federation/$roundId" params={{ roundId: lineage.round }}>
                round {lineage.round.slice(0, 8)}
              </NavAnchor>
            }
          >
            <Text size="sm" c="dimmed">
              {lineage.devices.toLocaleString('en')} devices trained on {lineage.samples.toLocaleString('en')} samples;
              update <Digest value={lineage.updateSha256} />
            </Text>
          </Timeline.Item>
          <Timeline.Item title={<span className="mono">{release.release}</span>}>
            <Text size="sm" c="dimmed">
              this release, signed by {release.publisher}
            </Text>
          </Timeline.Item>
        </Timeline>
      )}
    </Panel>
  );
};
