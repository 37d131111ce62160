import { PageHeader } from '../../components/page-header.tsx';

export const DevicePage = () => <PageHeader title="Device" />;
