/** A whole toy training, the same in every process that asks for it. */
import { createHash } from 'node:crypto';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { everythingOf, toyConfig, toyModel, toyTraining } from './toy.ts';

export async function trainedToy(
  gpu: Gpu,
  seed: number,
): Promise<{ tensors: Map<string, Float32Array>; losses: number[] }> {
  const model = toyModel(gpu, toyConfig({ training: { random_seed: seed } }));
  const trainer = await model.trainer(model.encodeTraining(toyTraining));
  const losses: number[] = [];
  for await (const report of trainer.run()) if (report.kind === 'progress') losses.push(report.loss);
  const tensors = await everythingOf(model, trainer.engine);
  trainer.dispose();
  model.dispose();
  return { tensors, losses };
}

export function hashOf(tensors: ReadonlyMap<string, Float32Array>): string {
  const hash = createHash('sha256');
  for (const [name, data] of tensors) {
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}
