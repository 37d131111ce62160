// Usage: node .ci/summary.mjs REPORT… -- FAILED_STEP…
// Tells what failed, and adds up vitest's JSON reports. A step that failed without a failed test counts as one failure: nothing is lost.
import { readFileSync } from 'node:fs';

const parameters = process.argv.slice(2);
const separator = parameters.indexOf('--');
const failedSteps = parameters.slice(separator + 1);
const FIRST_LINES = 6;
let passed = 0;
let failed = 0;
for (const path of parameters.slice(0, separator)) {
  try {
    const report = JSON.parse(readFileSync(path, 'utf8'));
    passed += report.numPassedTests;
    failed += report.numFailedTests;
    for (const file of report.testResults) {
      if (file.status === 'failed' && file.message) console.log(`${file.name}: ${file.message}`);
      for (const test of file.assertionResults) {
        if (test.status !== 'failed') continue;
        const reason = test.failureMessages.join('\n').split('\n').slice(0, FIRST_LINES).join('\n    ');
        console.log(`✗ ${file.name}\n  ${test.fullName}\n    ${reason}`);
      }
    }
    const unsound = report.numPendingTests + report.numTodoTests;
    if (unsound > 0) {
      console.log(`${path}: ${unsound} tests were skipped`);
      failed += unsound;
    }
  } catch (error) {
    console.log(`${path}: no report (${error.message})`);
    failed += 1;
  }
}
if (failedSteps.length > 0) console.log(`failed: ${failedSteps.join(', ')}`);
failed = Math.max(failed, failedSteps.length);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
