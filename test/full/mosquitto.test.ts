import { TestFleet } from '../support/test-fleet.ts';
import { describeWholeWay } from '../support/whole-way.ts';

describeWholeWay('with Mosquitto and two gateways', () => TestFleet.startWithMosquitto());
