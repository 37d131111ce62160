import type { DeviceDetail } from '../../api/generated/index.ts';
import { DialogButton } from '../../components/dialog-button.tsx';
import { Panel } from '../../components/panel.tsx';
import { Labels } from '../devices/labels.tsx';
import { LabelsDialog } from './labels-dialog.tsx';

export const LabelsPanel = ({ device }: { device: DeviceDetail }) => (
  <Panel
    title="Labels"
    actions={
      <DialogButton dialog={(close) => <LabelsDialog device={device} onClose={close} />}>Edit labels</DialogButton>
    }
  >
    <Labels labels={device.labels} />
  </Panel>
);
