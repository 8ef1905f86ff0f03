/**
 * A page as a user of the library writes one: it imports `couplet` and `couplet/ops` by name and nothing else. The test
 * builds it from the packed tarball and calls what it leaves on `window`; the same functions run in Node.
 */
import * as couplet from 'couplet';
import * as ops from 'couplet/ops';
import { softmaxOf, trainTenSteps, translateFrom } from '../shared-steps.ts';

Object.assign(globalThis, {
  trainTenSteps: () => trainTenSteps(couplet),
  translateFrom: (url: string) => translateFrom(couplet, url),
  softmaxOf: () => softmaxOf(couplet, ops),
});
document.title = 'ready';
