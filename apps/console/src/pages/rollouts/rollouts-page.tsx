import { PageHeader } from '../../components/page-header.tsx';

export const RolloutsPage = () => <PageHeader title="Rollouts" />;
