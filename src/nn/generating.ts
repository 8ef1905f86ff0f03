/**
 * What the models that write text have in common: a decoder that starts from something, words in, a projection to the
 * vocabulary out. Training runs it on given words or, wholly or in part, on its own (Bengio et al. 2015, "Scheduled
 * Sampling for Sequence Prediction with Recurrent Neural Networks").
 */
import { BEGIN_ID, END_ID, PAD_ID } from '../data/special-tokens.ts';
import { broadcast } from '../ops/broadcast.ts';
import { recordChooseToken } from '../ops/choose-token.ts';
import { recordCopyRows } from '../ops/copy.ts';
import { crossEntropy } from '../ops/cross-entropy.ts';
import { recordMatmul } from '../ops/matmul.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { Decoder, type DecoderInputs, type DecoderSpec, type DecoderStart } from './decoder.ts';
import { dropoutSite } from './dropout-sites.ts';
import type { EmbeddingsConfig } from './model-config.ts';
import type { BatchTensors, LossOptions, Network, SourceTensors, StepTensors } from './network.ts';
import { WordInput } from './word-input.ts';

export const specialIds = { padding: PAD_ID, begin: BEGIN_ID, end: END_ID };

/** A network whose decoder can be run on words of its own. */
export interface GeneratingNetwork extends Network {
  readonly spec: DecoderSpec & { readonly decoder: { readonly embeddings: EmbeddingsConfig } };
  /** States a layer carries: 2 for LSTM (h, c), else 1. */
  readonly stateCount: number;
  /** Where the decoder reads its start's `context`. */
  readonly contextUse: 'first_step' | 'every_step';
  /** C of the context, 0 where there is none; M of the memory, 0 where nothing attends. */
  readonly contextSize: number;
  readonly memorySize: number;
  /** [V, E] */
  readonly targetEmbedding: Tensor;
  /** [V, H] */
  readonly outputWeight: Tensor;
  /** [V] */
  readonly outputBias: Tensor;
  /** What the decoder starts from. */
  recordStart(tape: Tape, source: SourceTensors, random: Tensor): DecoderStart;
}

/** The whole forward pass over a batch's words. */
export function recordDecoder(
  tape: Tape,
  network: GeneratingNetwork,
  start: DecoderStart,
  batch: Pick<BatchTensors, 'targetInput'>,
  step: Pick<StepTensors, 'random' | 'sampling'>,
  forcing: LossOptions['forcing'] = 'teacher',
): Decoder {
  const { spec, parameters, targetEmbedding } = network;
  const { random } = step;
  const [T, B] = [batch.targetInput.dim(0), batch.targetInput.dim(1)];
  const ownWords = forcing !== 'teacher';
  const ids = ownWords ? tape.tensor('decoder.tokens', [T, B], { dtype: 'u32' }) : batch.targetInput;
  const words = new WordInput(tape, {
    ids,
    weight: targetEmbedding,
    paddingIndex: PAD_ID,
    dropout: spec.decoder.embeddings.dropout,
    site: dropoutSite('target embedding'),
    random,
  });
  if (!ownWords) words.forward(0, T);
  const decoder = new Decoder(tape, parameters, spec, {
    ...withoutContext(start),
    ...contextInput(tape, network, start, T),
    embedded: words.embedded,
    random,
    stepwise: ownWords,
  });
  if (!ownWords) {
    decoder.run();
    return decoder;
  }
  const first = { tensor: batch.targetInput, offset: 0, row: B };
  recordCopyRows(tape, first, { tensor: ids, offset: 0, row: B }, 1, B);
  const logits = tape.tensor('decoder.logits', [B, network.outputWeight.dim(0)]);
  decoder.run((at) => {
    if (at > 0) {
      recordLogits(tape, network, decoder.output, at - 1, logits);
      recordChooseToken(tape, {
        logits,
        teacher: batch.targetInput,
        tokens: ids,
        step: at - 1,
        sampling: step.sampling,
        random,
        site: dropoutSite('scheduled sampling'),
        mode: forcing,
        specials: specialIds,
      });
    }
    words.forward(at, at + 1);
  });
  return decoder;
}

/** logits [B, V] of one step of a decoder's output [T, B, H]. */
export function recordLogits(
  tape: Tape,
  { outputWeight, outputBias }: GeneratingNetwork,
  output: Tensor,
  step: number,
  logits: Tensor,
): void {
  const [B, H] = [output.dim(1), output.dim(2)];
  recordMatmul(tape, {
    m: B,
    n: outputWeight.dim(0),
    k: H,
    a: { tensor: output, offset: step * B * H, row: H },
    b: { tensor: outputWeight, row: 1, column: H },
    c: { tensor: logits, row: outputWeight.dim(0) },
    bias: outputBias,
  });
}

/** The context of a start as the decoder takes it: at each of `steps` steps, or at the first alone. */
function contextInput(
  tape: Tape,
  { contextUse }: GeneratingNetwork,
  { context }: DecoderStart,
  steps: number,
): Pick<DecoderInputs, 'context'> {
  if (!context) return {};
  return { context: broadcast(tape, context, contextUse === 'first_step' ? 1 : steps) };
}

function withoutContext({ context: _, ...rest }: DecoderStart): Omit<DecoderStart, 'context'> {
  return rest;
}

/** The summed cross-entropy of a decoder's output against the batch's targets. */
export function recordWordLoss(
  tape: Tape,
  { outputWeight, outputBias }: GeneratingNetwork,
  { output }: Decoder,
  batch: BatchTensors,
  step: StepTensors,
  { labelSmoothing }: LossOptions,
): void {
  crossEntropy(tape, {
    hidden: output,
    weight: outputWeight,
    bias: outputBias,
    targets: batch.targetOutput,
    ignoreIndex: PAD_ID,
    labelSmoothing,
    scale: step.scale,
    statistics: step.statistics,
  });
}
