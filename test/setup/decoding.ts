/** What tests of decoding share: networks with large random weights, sources as ids, and the teacher-forced pass. */
import { BEGIN_ID, END_ID, PAD_ID } from '../../src/data/special-tokens.ts';
import type { Hypothesis, Sources } from '../../src/decode/sequence-decoder.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { DeepPartial } from '../../src/nn/config/spec.ts';
import { initialValues } from '../../src/nn/initialize-model.ts';
import { resolveModelConfig, type Seq2SeqConfig } from '../../src/nn/model-config.ts';
import { Seq2SeqNetwork } from '../../src/nn/seq2seq.ts';
import { evaluate } from '../../src/ops/evaluate.ts';
import { linear } from '../../src/ops/matmul.ts';
import { hashIds } from './hash-numbers.ts';

export const sizes = { source: 31, target: 37 };

/** Sizes that no tile divides; weights so large that every line gets tokens of its own. */
export function decodingNetwork(gpu: Gpu, model: DeepPartial<Seq2SeqConfig>, seed = 1): Seq2SeqNetwork {
  const config = resolveModelConfig({
    initializer: 'uniform',
    init_weight: 1.1,
    embed_init_weight: 2,
    ...model,
    encoder: { hidden_size: 9, ...model.encoder, embeddings: { embedding_dim: 13 } },
    decoder: { embeddings: { embedding_dim: 11 }, ...model.decoder },
  });
  const network = new Seq2SeqNetwork(gpu, config, sizes);
  for (const [name, values] of initialValues(config, network.parameters, seed)) {
    if (name === 'decoder.output.bias') values[END_ID] = values[END_ID]! - 2; // outputs of many lengths
    network.parameters.write(name, values);
  }
  return network;
}

/** Lines of 1 to `longest` words, each with its `</s>`. */
export function randomLines(seed: number, count: number, longest: number): number[][] {
  const lengths = hashIds(seed, count, 1, longest + 1);
  return Array.from(lengths, (length, index) => [
    ...hashIds(seed + 100 + index, length, 4, sizes.source),
    END_ID,
  ]);
}

/** Lines as a batch; rows beyond them are empty. `at` gives the row of the first line. */
export function batchOfLines(
  lines: readonly (readonly number[])[],
  shape: { readonly B?: number; readonly S?: number; readonly at?: number } = {},
): Sources {
  const { B = lines.length, S = Math.max(...lines.map(({ length }) => length)), at = 0 } = shape;
  const source = new Uint32Array(S * B).fill(PAD_ID);
  const sourceLengths = new Uint32Array(B);
  for (const [index, line] of lines.entries()) {
    const row = (at + index) % B;
    sourceLengths[row] = line.length;
    for (const [t, id] of line.entries()) source[t * B + row] = id;
  }
  return { B, S, source, sourceLengths };
}

/** The tokens that a hypothesis stands for, `</s>` included where it came. */
export const tokensOf = ({ ids, ended }: Hypothesis): number[] => (ended ? [...ids, END_ID] : [...ids]);

/** Logits [T, V] and alignments [T, S] of one line when the decoder is given these tokens, all steps in one pass. */
export async function teacherForced(
  gpu: Gpu,
  network: Seq2SeqNetwork,
  line: readonly number[],
  tokens: readonly number[],
): Promise<{ logits: Float32Array[]; alignments: Float32Array[] }> {
  const [S, T] = [line.length, tokens.length];
  const ids = (values: readonly number[], ...shape: number[]) => ({ data: Uint32Array.from(values), shape });
  const { outputs } = await evaluate(
    gpu,
    {
      source: ids(line, S, 1),
      sourceLengths: ids([S], 1),
      targetInput: ids([BEGIN_ID, ...tokens.slice(0, -1)], T, 1),
      targetOutput: ids(tokens, T, 1),
      random: ids([0, 0, 0, 0], 4),
      sampling: { data: new Float32Array(1), shape: [1] },
    },
    (tape, tensors) => {
      const { output, alignments } = network.recordForward(tape, tensors, tensors);
      return {
        alignments: alignments!,
        logits: linear(tape, output, network.outputWeight, network.outputBias),
      };
    },
  );
  const rows = (data: Float32Array, width: number) =>
    Array.from({ length: T }, (_, t) => data.subarray(t * width, (t + 1) * width));
  return {
    logits: rows(outputs.logits.data, network.sizes.target),
    alignments: rows(outputs.alignments.data, S),
  };
}
