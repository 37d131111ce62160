import { TestFleet } from '../support/test-fleet.ts';
import { describeWholeWay } from '../support/whole-way.ts';

describeWholeWay('with the embedded broker', () => TestFleet.start());
