/** A trained model from its run folder. */
import type { Gpu } from '../gpu/gpu.ts';
import { type ModelFiles, modelFileNames } from '../models/model-files.ts';
import { Seq2Seq } from '../models/seq2seq.ts';
import { RunFolder } from './run-folder.ts';

/** The best model of the run in `path`, and what was found damaged on the way to it. */
export async function loadRun(
  gpu: Gpu,
  path: string,
): Promise<{ model: Seq2Seq; warnings: readonly string[] }> {
  const { files, warnings } = await readRun(path);
  return { model: Seq2Seq.fromFiles(gpu, files, path), warnings };
}

/** The same as named byte arrays. */
export async function readRun(path: string): Promise<{ files: ModelFiles; warnings: readonly string[] }> {
  const folder = await RunFolder.open(path);
  const { config, sourceVocabulary, targetVocabulary } = await folder.readContent();
  const { model, warnings } = await folder.loadModel();
  const encoder = new TextEncoder();
  const files: ModelFiles = new Map([
    [modelFileNames.config, encoder.encode(config)],
    [modelFileNames.sourceVocabulary, encoder.encode(sourceVocabulary)],
    [modelFileNames.targetVocabulary, encoder.encode(targetVocabulary)],
    [modelFileNames.weights, model],
  ]);
  return { files, warnings };
}
