import { adminRoutes, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject } from '@nestjs/common';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { BrokerCertificates } from '../mqtt/broker-certificates.ts';
import { DiagnosisService } from './diagnosis.service.ts';
import { ProbesService } from './probes.service.ts';

@Controller()
export class DiagnosisController {
  constructor(
    @Inject(DiagnosisService) private readonly diagnosis: DiagnosisService,
    @Inject(ProbesService) private readonly probes: ProbesService,
    @Inject(BrokerCertificates) private readonly brokers: BrokerCertificates,
  ) {}

  @ApiRoute(adminRoutes.showDiagnosis)
  show() {
    return this.diagnosis.show();
  }

  @ApiRoute(adminRoutes.createProbe)
  createProbe(@Checked() { body }: RouteRequest<typeof adminRoutes.createProbe>) {
    return this.probes.create(body.csr);
  }

  @ApiRoute(adminRoutes.removeProbe)
  removeProbe(@Checked() { params }: RouteRequest<typeof adminRoutes.removeProbe>) {
    return this.probes.remove(params.id);
  }

  @ApiRoute(adminRoutes.certifyBroker)
  certifyBroker(@Checked() { body }: RouteRequest<typeof adminRoutes.certifyBroker>) {
    return this.brokers.certify(body.csr, body.hosts);
  }
}
