/**
 * `import … from 'couplet'` in Node: the API of `index.ts` on Dawn (the package `webgpu`). `openGpu` chooses among the
 * adapters there are, and `load` also takes the path of a run folder.
 */

export { adoptDevice } from './gpu/open-browser.ts';
export { fetchModel } from './models/load.ts';
export { type LoadOptions, load } from './node/load.ts';
export { readRun } from './node/load-run.ts';
export { type OpenGpuOptions, openGpu } from './node/open-gpu.ts';
export { restWhile } from './node/rest-while.ts';
export * from './shared.ts';
