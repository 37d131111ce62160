import { PageHeader } from '../../components/page-header.tsx';

export const ModelsPage = () => <PageHeader title="Models" />;
