import { useDisclosure } from '@mantine/hooks';
import type { DeviceDetail } from '../../api/generated/index.ts';
import { Panel } from '../../components/panel.tsx';
import { RoleButton } from '../../components/role-button.tsx';
import { Labels } from '../devices/labels.tsx';
import { LabelsDialog } from './labels-dialog.tsx';

export const LabelsPanel = ({ device }: { device: DeviceDetail }) => {
  const [editing, { open, close }] = useDisclosure(false);
  return (
    <Panel
      title="Labels"
      actions={
        <RoleButton variant="default" size="xs" onClick={open}>
          Edit labels
        </RoleButton>
      }
    >
      <Labels labels={device.labels} />
      {editing && <LabelsDialog device={device} onClose={close} />}
    </Panel>
  );
};
