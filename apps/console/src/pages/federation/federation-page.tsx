import { PageHeader } from '../../components/page-header.tsx';

export const FederationPage = () => <PageHeader title="Federation" />;
