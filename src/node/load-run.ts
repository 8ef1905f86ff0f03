/** A trained model from its run folder. */
import type { Gpu } from '../gpu/gpu.ts';
import { type AnyModel, modelFromFiles } from '../models/kinds.ts';
import { type ModelFiles, modelFileNames } from '../models/model-files.ts';
import { RunFolder } from './run-folder.ts';

/** The best model of the run in `path`, and what was found damaged on the way to it. */
export async function loadRun(
  gpu: Gpu,
  path: string,
): Promise<{ model: AnyModel; warnings: readonly string[] }> {
  const { files, warnings } = await readRun(path);
  return { model: modelFromFiles(gpu, files, path), warnings };
}

/** The same as named byte arrays. */
export async function readRun(path: string): Promise<{ files: ModelFiles; warnings: readonly string[] }> {
  const folder = await RunFolder.open(path);
  const { config, sourceVocabulary, targetVocabulary, characterVocabulary } = await folder.readContent();
  const { model, warnings } = await folder.loadModel();
  const encoder = new TextEncoder();
  const files: ModelFiles = new Map([
    [modelFileNames.config, encoder.encode(config)],
    [modelFileNames.sourceVocabulary, encoder.encode(sourceVocabulary)],
    [modelFileNames.targetVocabulary, encoder.encode(targetVocabulary)],
    [modelFileNames.weights, model],
  ]);
  if (characterVocabulary !== undefined) {
    files.set(modelFileNames.characterVocabulary, encoder.encode(characterVocabulary));
  }
  return { files, warnings };
}
