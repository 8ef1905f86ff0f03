/**
 * `import … from 'couplet'` in browsers (and wherever else there is a `navigator.gpu`): trains, decodes, saves and
 * loads models on WebGPU. Node gets `node.ts`, which has the same API.
 *
 *     const gpu = await openGpu();
 *     const model = Seq2Seq.fromPairs(gpu, pairs, { data: { src: { level: 'char' } } });
 *     for await (const { update, loss } of model.fit(pairs)) console.log(update, loss);
 *     console.log(await model.translate(['hello']));
 *     const again = await load(gpu, await model.save());
 */

export { adoptDevice, type OpenGpuOptions, openGpu } from './gpu/open-browser.ts';
export { fetchModel, load } from './models/load.ts';
export * from './shared.ts';
