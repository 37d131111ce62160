import { PageHeader } from '../../components/page-header.tsx';

export const AccessPage = () => <PageHeader title="Accounts" />;
