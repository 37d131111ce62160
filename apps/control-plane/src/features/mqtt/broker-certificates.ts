import { type FleetCa, GATEWAY_NAME } from '../fleet-ca/fleet-ca.ts';

/**
 * What an external broker needs so that devices and gateways trust it and it knows them apart. No private key passes
 * here: the broker's own is made where it will be used, and a gateway's never leaves its process.
 */
export class BrokerCertificates {
  constructor(
    private readonly fleetCa: FleetCa,
    private readonly gatewayCa: FleetCa,
  ) {}

  /** @throws ProblemError `csr-invalid` */
  async certify(csr: string, hosts: readonly string[]) {
    const { chain, expiresAt } = await this.fleetCa.certifyServer(csr, hosts);
    return {
      certificate: chain,
      expiresAt: expiresAt.getTime(),
      fleetCa: this.fleetCa.pem,
      gatewayCa: this.gatewayCa.pem,
      gatewayName: GATEWAY_NAME,
    };
  }
}
