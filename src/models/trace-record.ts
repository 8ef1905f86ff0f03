/**
 * The forward pass of any type of model with every intermediate result named, for `trace.ts`. Dropout is off, so these
 * are the values that predictions are made of, to the bit.
 */
import { recordContext } from '../nn/context.ts';
import type { DecoderStart } from '../nn/decoder.ts';
import type { Encoded } from '../nn/encoder.ts';
import { type GeneratingNetwork, recordDecoder } from '../nn/generating.ts';
import type { SourceTensors } from '../nn/network.ts';
import { embedding } from '../ops/embedding.ts';
import { linear } from '../ops/matmul.ts';
import { softmax } from '../ops/softmax.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import type { AnyModel } from './kinds.ts';

/**
 * Results by name, for one row (B = 1). Of an encoder and a decoder: `encoder.x.I` [T, 1, *] for each part of what the
 * first layer reads, `encoder.LAYER.STATE` [T, 1, D*H]; of a decoder also `decoder.initial.LAYER.STATE` [1, H],
 * `alignments` [T, 1, S] and `attentional` [T, 1, H]. `context` [1, M], `weights` [1, S]. `logits` and `probabilities`
 * [.., names].
 */
export type TraceTensors = Record<string, Tensor | undefined>;

/** @param words u32 [T, 1]: what a decoder reads, from `<s>` on; not read of models without one. */
export function recordTrace(
  tape: Tape,
  model: AnyModel,
  sources: SourceTensors,
  words: Tensor,
  random: Tensor,
): TraceTensors {
  const { sourceLengths: lengths } = sources;
  switch (model.type) {
    case 'tagger': {
      const encoded = model.network.recordEncoder(tape, sources, random);
      return { ...encoderTensors(encoded), ...projected(tape, model, encoded.memory) };
    }
    case 'classifier': {
      const { network } = model as Extract<AnyModel, { type: 'classifier' }>;
      const encoded = network.recordEncoder(tape, sources, random);
      const pooled = recordContext(tape, network.parameters, network.config.pooling, encoded, lengths);
      return {
        ...encoderTensors(encoded),
        context: pooled.context,
        weights: pooled.alignments,
        ...projected(tape, model, pooled.context),
      };
    }
    case 'seq2seq': {
      const { network } = model as Extract<AnyModel, { type: 'seq2seq' }>;
      const encoded = network.recordEncoder(tape, sources, random);
      const start = network.recordStartFrom(tape, encoded, lengths);
      const { context: kind } = network.config.decoder;
      const pooled = start.memory
        ? undefined
        : recordContext(tape, network.parameters, kind, encoded, lengths);
      return {
        ...encoderTensors(encoded),
        context: pooled?.context,
        weights: pooled?.alignments,
        ...decoderTensors(tape, network, start, words, random),
      };
    }
    case 'generator': {
      const { network } = model as Extract<AnyModel, { type: 'generator' }>;
      const start = network.recordStart(tape, sources);
      return { context: start.context, ...decoderTensors(tape, network, start, words, random) };
    }
    case 'language_model': {
      const { network } = model as Extract<AnyModel, { type: 'language_model' }>;
      return decoderTensors(tape, network, { initial: [] }, words, random);
    }
    default:
      return model satisfies never;
  }
}

function encoderTensors({ inputs, layers }: Encoded): TraceTensors {
  return Object.fromEntries([
    ...inputs.map((tensor, index) => [`encoder.x.${index}`, tensor] as const),
    ...byState('encoder', layers),
  ]);
}

function byState(
  prefix: string,
  layers: readonly (readonly (Tensor | undefined)[])[],
): (readonly [string, Tensor | undefined])[] {
  return layers.flatMap((states, layer) =>
    states.map((tensor, state) => [`${prefix}.${layer}.${state}`, tensor] as const),
  );
}

function decoderTensors(
  tape: Tape,
  network: GeneratingNetwork,
  start: DecoderStart,
  words: Tensor,
  random: Tensor,
): TraceTensors {
  // Given words are read as they are: nothing is sampled.
  const sampling = tape.tensor('unused', [1]);
  const decoder = recordDecoder(tape, network, start, { targetInput: words }, { random, sampling });
  const { alignments, output } = decoder;
  const logits = linear(tape, output, network.outputWeight, network.outputBias);
  return {
    'decoder.x.0': embedding(tape, words, network.targetEmbedding),
    ...Object.fromEntries([
      ...byState(
        'decoder',
        decoder.layers.map(({ states }) => states),
      ),
      ...byState('decoder.initial', start.initial),
    ]),
    alignments,
    attentional: alignments && output,
    logits,
    probabilities: softmax(tape, logits),
  };
}

function projected(tape: Tape, { network }: AnyModel, hidden: Tensor): TraceTensors {
  const { parameters } = network;
  const logits = linear(tape, hidden, parameters.get('output.weight'), parameters.get('output.bias'));
  return { logits, probabilities: softmax(tape, logits) };
}
