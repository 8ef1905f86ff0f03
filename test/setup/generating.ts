/** The teacher-forced pass of any network that writes words, for tests: all steps at once, without dropout. */
import type { Batch } from '../../src/data/batches.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { type GeneratingNetwork, recordDecoder } from '../../src/nn/generating.ts';
import { evaluate } from '../../src/ops/evaluate.ts';
import { linear } from '../../src/ops/matmul.ts';

type WordBatch = Pick<Batch, 'B' | 'S' | 'T' | 'source' | 'sourceLengths' | 'targetInput'>;

/** What the projection reads [T, B, H], and logits [T, B, V]. A language model starts from nothing, as on lines. */
export async function forwardWords(gpu: Gpu, network: GeneratingNetwork, batch: WordBatch) {
  const { B, S, T } = batch;
  const { frameSize: F } = network;
  const inputs = {
    source: { data: batch.source, shape: F === undefined ? [S, B] : [S, B, F] },
    sourceLengths: { data: batch.sourceLengths, shape: [B] },
    targetInput: { data: batch.targetInput, shape: [T, B] },
    random: { data: new Uint32Array(4), shape: [4] },
    sampling: { data: new Float32Array(1), shape: [1] },
  };
  const { outputs } = await evaluate(gpu, inputs, (tape, tensors) => {
    const reads = network.config.type !== 'language_model';
    const start = reads ? network.recordStart(tape, tensors, tensors.random) : { initial: [] };
    const { output } = recordDecoder(tape, network, start, tensors, tensors);
    return { output, logits: linear(tape, output, network.outputWeight, network.outputBias) };
  });
  return outputs;
}
