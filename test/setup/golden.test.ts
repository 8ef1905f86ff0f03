/**
 * The fixtures are whole and mean what test/golden/README.md says: what can be recomputed from a fixture in a few
 * lines (the output layer, attention's sums, the loss, one recurrent step) is, with weights drawn on this side.
 */

import { describe, expect, test } from 'vitest';
import type { GoldenTensor } from './golden.ts';
import {
  loadAttention,
  loadClip,
  loadCrossEntropy,
  loadEmbedding,
  loadEnjaLosses,
  loadMaskedSoftmax,
  loadOptimizers,
  loadPhilox,
  loadRecurrent,
  loadSeq2Seq,
  loadSpeedModel,
  seededValues,
  seq2seqNames,
  swapLeadingAxes,
} from './golden.ts';

/** Of ten significant digits, nine survive a short sum. */
const close = (actual: number, expected: number, scale = 1) =>
  expect(Math.abs(actual - expected)).toBeLessThan(1e-9 * Math.max(scale, Math.abs(expected)));

const row = (tensor: GoldenTensor, index: number): Float64Array => {
  const width = tensor.shape.at(-1)!;
  return tensor.data.subarray(index * width, (index + 1) * width);
};
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);

function crossEntropy(
  logits: Float64Array,
  target: number,
  smoothing: number,
  weights = logits.map(() => 1),
): number {
  const top = Math.max(...logits);
  const logSum = top + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - top), 0));
  const mean = logits.reduce((sum, x, v) => sum + weights[v]! * (logSum - x), 0) / logits.length;
  return (1 - smoothing) * weights[target]! * (logSum - logits[target]!) + smoothing * mean;
}

test('every cell, direction, feeding, score, bridge and normalisation has a fixture', () => {
  const configs = seq2seqNames().map((name) => loadSeq2Seq(name).config);
  for (const cell of ['lstm', 'gru', 'rnn-tanh', 'rnn-relu']) {
    for (const bidirectional of [false, true]) {
      for (const inputFeeding of [false, true]) {
        const found = configs.filter(
          (c) =>
            (c.cell === 'rnn' ? `rnn-${c.activation}` : c.cell) === cell &&
            c.bidirectional === bidirectional &&
            c.inputFeeding === inputFeeding,
        );
        expect(found.length, `${cell} ${bidirectional} ${inputFeeding}`).toBeGreaterThan(0);
      }
    }
  }
  expect(new Set(configs.map((c) => c.score))).toEqual(new Set(['dot', 'general', 'concat']));
  expect(new Set(configs.map((c) => c.bridge))).toEqual(new Set(['none', 'linear']));
  expect(new Set(configs.map((c) => c.normalization))).toEqual(new Set(['tokens', 'sentences']));
  expect(new Set(configs.map((c) => c.layers))).toEqual(new Set([1, 2]));
  expect(configs.some((c) => c.tiedSoftmax) && configs.some((c) => c.labelSmoothing > 0)).toBe(true);
});

describe.each(seq2seqNames())('model %s', (name) => {
  const fixture = loadSeq2Seq(name);
  const { config, batch, parameters } = fixture;
  const [B, T, V] = fixture.logits.shape as [number, number, number];
  const real = [...Array(B * T).keys()].filter((i) => i % T < batch.targetLengths[Math.floor(i / T)]!);

  test('ids: marks, padding and lengths', () => {
    expect(batch.sourceLengths).toContain(1);
    for (let b = 0; b < B; b++) {
      const s = batch.sourceLengths[b]!;
      const t = batch.targetLengths[b]!;
      const [source, targetIn, targetOut] = [batch.source[b]!, batch.targetIn[b]!, batch.targetOut[b]!];
      expect(source[s - 1]).toBe(3);
      expect(targetIn[0]).toBe(2);
      expect(targetOut.slice(0, t)).toEqual([...targetIn.slice(1, t), 3]);
      for (const padding of [...source.slice(s), ...targetIn.slice(t), ...targetOut.slice(t)]) {
        expect(padding).toBe(1);
      }
      expect(Math.max(...source)).toBeLessThan(config.sourceVocabulary);
      expect(Math.max(...targetIn, ...targetOut)).toBeLessThan(config.targetVocabulary);
    }
  });

  test('logits are the output layer applied to h̃, with the weights drawn here', () => {
    const weight = parameters[config.tiedSoftmax ? 'decoder.embedding.weight' : 'decoder.output.weight']!;
    expect(weight.shape).toEqual([V, config.decoderHidden]);
    const bias = parameters['decoder.output.bias']!.data;
    for (const i of real) {
      row(fixture.logits, i).forEach((logit, v) => {
        close(logit, dot(row(fixture.attentional, i), row(weight, v)) + bias[v]!);
      });
    }
  });

  test('attention sums to one over the real source positions and is zero elsewhere', () => {
    for (const i of real) {
      const weights = row(fixture.attention, i);
      close(
        weights.reduce((sum, w) => sum + w, 0),
        1,
      );
      const length = batch.sourceLengths[Math.floor(i / T)]!;
      weights.forEach((w, s) => {
        if (s < length) expect(w).toBeGreaterThan(0);
        else expect(w).toBe(0);
      });
    }
  });

  test('the loss follows from the logits', () => {
    const targets = batch.targetOut.flat();
    const sum = real.reduce(
      (total, i) => total + crossEntropy(row(fixture.logits, i), targets[i]!, config.labelSmoothing),
      0,
    );
    close(fixture.loss.sum, sum);
    close(fixture.loss.perToken, sum / real.length);
    close(fixture.loss.perSentence, sum / B);
    const { perToken, perSentence } = fixture.loss;
    expect(fixture.loss.normalized).toBeCloseTo(
      config.normalization === 'tokens' ? perToken : perSentence,
      12,
    );
  });

  test('a gradient for each parameter; the output bias has Σ (p − q) of the loss', () => {
    expect(Object.keys(fixture.gradients)).toEqual(Object.keys(parameters));
    for (const [key, gradient] of Object.entries(fixture.gradients)) {
      expect(gradient.shape, key).toEqual(parameters[key]!.shape);
      expect(
        gradient.data.some((value) => value !== 0),
        key,
      ).toBe(true);
    }
    const targets = batch.targetOut.flat();
    const expected = new Float64Array(V);
    for (const i of real) {
      const logits = row(fixture.logits, i);
      const total = logits.reduce((sum, x) => sum + Math.exp(x), 0);
      logits.forEach((x, v) => {
        const smooth = config.labelSmoothing / V + (v === targets[i] ? 1 - config.labelSmoothing : 0);
        expected[v] = expected[v]! + Math.exp(x) / total - smooth;
      });
    }
    const count = config.normalization === 'tokens' ? real.length : B;
    fixture.gradients['decoder.output.bias']!.data.forEach((g, v) => {
      close(g, expected[v]! / count);
    });
  });

  test('ten losses of each training start at the loss', () => {
    expect(fixture.trainings[0]!.optimizer).toBe('adam');
    for (const training of fixture.trainings) {
      expect(training.losses).toHaveLength(10);
      expect(training.gradientNorms).toHaveLength(10);
      expect(training.losses[0]).toBe(fixture.loss.normalized);
    }
    const square = Object.values(fixture.gradients).reduce((sum, g) => sum + dot(g.data, g.data), 0);
    close(fixture.trainings[0]!.gradientNorms[0]!, Math.sqrt(square));
  });
});

describe('operations', () => {
  test('recurrence: a row of one step, gates computed here; padding is zero', () => {
    const fixtures = loadRecurrent();
    expect(fixtures).toHaveLength(8);
    const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
    for (const fixture of fixtures) {
      const { input, initial, weightIh, weightHh, biasIh, biasHh, output, lengths } = fixture;
      const [T, B, H] = output.shape as [number, number, number];
      for (let i = 0; i < T * B; i++) {
        if (Math.floor(i / B) < lengths[i % B]!) continue;
        expect([...row(output, i), ...row(fixture.upstream.output, i)].every((x) => x === 0)).toBe(true);
        expect(row(fixture.gradients.input, i).every((x) => x === 0)).toBe(true);
      }
      const b = lengths.indexOf(1); // both directions see the same single step
      const inner = Array.from({ length: weightIh.shape[0]! }, (_, k) => [
        dot(row(weightIh, k), row(input, b)) + biasIh.data[k]!,
        dot(row(weightHh, k), row(initial.h, b)) + biasHh.data[k]!,
      ]);
      const gate = (k: number) => inner[k]![0]! + inner[k]![1]!;
      for (let j = 0; j < H; j++) {
        let h: number;
        if (fixture.cell === 'lstm') {
          const c =
            sigmoid(gate(H + j)) * row(initial.c!, b)[j]! + sigmoid(gate(j)) * Math.tanh(gate(2 * H + j));
          close(row(fixture.final.c!, b)[j]!, c);
          h = sigmoid(gate(3 * H + j)) * Math.tanh(c);
        } else if (fixture.cell === 'gru') {
          const n = Math.tanh(inner[2 * H + j]![0]! + sigmoid(gate(j)) * inner[2 * H + j]![1]!);
          const z = sigmoid(gate(H + j));
          h = (1 - z) * n + z * row(initial.h, b)[j]!;
        } else {
          h = fixture.activation === 'tanh' ? Math.tanh(gate(j)) : Math.max(0, gate(j));
        }
        close(row(output, b)[j]!, h);
        close(row(fixture.final.h, b)[j]!, h);
      }
    }
  });

  test('masked softmax: zeros beyond the length and in the empty row', () => {
    const { lengths, output, gradient } = loadMaskedSoftmax();
    expect(lengths).toContain(0);
    lengths.forEach((length, i) => {
      close(
        row(output, i).reduce((sum, x) => sum + x, 0),
        length > 0 ? 1 : 0,
      );
      for (const tensor of [output, gradient]) {
        expect(
          row(tensor, i)
            .slice(length)
            .every((x) => x === 0),
        ).toBe(true);
      }
    });
  });

  test('attention: context and h̃ follow from the weights', () => {
    const fixtures = loadAttention();
    expect(fixtures.map((f) => f.score)).toEqual(['dot', 'general', 'concat']);
    for (const { queries, memory, weights, context, attentional, parameters, scores } of fixtures) {
      const [T, B] = queries.shape as [number, number];
      const S = memory.shape[0]!;
      expect(scores.shape).toEqual([T, B, S]);
      for (let i = 0; i < T * B; i++) {
        row(context, i).forEach((value, k) => {
          const column = Array.from({ length: S }, (_, s) => row(memory, s * B + (i % B))[k]!);
          close(value, dot(row(weights, i), column));
        });
        const both = [...row(context, i), ...row(queries, i)];
        row(attentional, i).forEach((value, k) => {
          close(value, Math.tanh(dot(row(parameters['linear_out.weight']!, k), both)));
        });
      }
    }
  });

  test('embedding: rows by id, repeated ids add up, padding counts or not', () => {
    const { ids, paddingId, weight, output, upstream, gradient, gradientWithoutPadding } = loadEmbedding();
    const flat = ids.flat();
    const [V, E] = weight.shape as [number, number];
    const sums = new Float64Array(V * E);
    flat.forEach((id, i) => {
      row(output, i).forEach((value, e) => {
        close(value, row(weight, id)[e]!);
        sums[id * E + e] = sums[id * E + e]! + row(upstream, i)[e]!;
      });
    });
    expect(new Set(flat).size).toBeLessThan(flat.length);
    expect(flat).toContain(paddingId);
    sums.forEach((sum, i) => {
      close(gradient.data[i]!, sum);
      close(gradientWithoutPadding.data[i]!, Math.floor(i / E) === paddingId ? 0 : sum);
    });
  });

  test('cross-entropy: rows and sums', () => {
    for (const fixture of loadCrossEntropy()) {
      const weights = fixture.classWeights?.data;
      const losses = fixture.targets.map((target, i) =>
        target === fixture.paddingId
          ? 0
          : crossEntropy(row(fixture.logits, i), target, fixture.labelSmoothing, weights),
      );
      losses.forEach((loss, i) => {
        close(fixture.rowLosses.data[i]!, loss);
      });
      const sum = losses.reduce((a, b) => a + b, 0);
      close(fixture.sum, sum);
      const counting = fixture.targets.filter((target) => target !== fixture.paddingId);
      close(fixture.mean, sum / counting.reduce((total, target) => total + (weights?.[target] ?? 1), 0));
    }
  });

  test('updates: the first step by the formula', () => {
    for (const fixture of loadOptimizers()) {
      const rate = fixture.learningRates[0]!;
      const { weightDecay, optimizer, beta1 = 0, beta2 = 0, epsilon = 0 } = fixture;
      expect(fixture.steps).toHaveLength(fixture.learningRates.length);
      for (const key of ['a', 'b']) {
        const before = fixture.initial[key]!.data;
        const after = fixture.steps[0]!.parameters[key]!.data;
        fixture.steps[0]!.gradients[key]!.data.forEach((gradient, i) => {
          const g = optimizer === 'adamw' ? gradient : gradient + weightDecay * before[i]!;
          const kept = optimizer === 'adamw' ? before[i]! * (1 - rate * weightDecay) : before[i]!;
          const m = ((1 - beta1) * g) / (1 - beta1);
          const v = ((1 - beta2) * g * g) / (1 - beta2);
          close(after[i]!, kept - rate * (optimizer === 'sgd' ? g : m / (Math.sqrt(v) + epsilon)));
        });
      }
    }
  });

  test('clipping: the norm, and PyTorch’s 1e-6 beside it', () => {
    for (const { maxNorm, gradients, norm, clipped } of loadClip()) {
      close(norm, Math.sqrt(Object.values(gradients).reduce((sum, g) => sum + dot(g.data, g.data), 0)));
      const factor = Math.min(1, maxNorm / (norm + 1e-6));
      for (const [key, gradient] of Object.entries(gradients)) {
        gradient.data.forEach((g, i) => {
          close(clipped[key]!.data[i]!, g * factor);
        });
      }
    }
  });

  test('Philox begins with the published vectors', () => {
    expect(
      loadPhilox()
        .slice(0, 3)
        .map(({ output }) => output.join(' ')),
    ).toEqual([
      '6627e8d5 e169c58d bc57ac4c 9b00dbd8',
      '408f276d 41c83b0e a20bc7c6 6d5451fd',
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    ]);
  });
});

test('the speed model: shapes, ids, and weights that can be drawn', () => {
  const { batch, parameters, training, config } = loadSpeedModel();
  expect([batch.source.length, batch.source[0]!.length, batch.targetOut[0]!.length]).toEqual([64, 20, 20]);
  expect(new Set([...batch.sourceLengths, ...batch.targetLengths])).toEqual(new Set([20]));
  batch.targetOut.forEach((ids, b) => {
    expect([batch.source[b]![19], ids[19], batch.targetIn[b]![0]]).toEqual([3, 3, 2]);
    expect(batch.targetIn[b]!.slice(1)).toEqual(ids.slice(0, 19));
  });
  expect(parameters['decoder.output.weight']!.shape).toEqual([config.targetVocabulary, config.decoderHidden]);
  expect(seededValues(parameters['decoder.output.bias']!)).toHaveLength(2000);
  expect(training.losses).toHaveLength(10);
  // Small weights: the first loss is close to that of a uniform guess.
  expect(Math.abs(training.losses[0]! - Math.log(2000))).toBeLessThan(0.1);
});

test('English → Japanese: 100 losses in both precisions, agreeing and falling', () => {
  const { training, sourceTokens, targetTokens, firstRow, parameters, vocabularies } = loadEnjaLosses();
  for (const list of [training.losses, training.lossesFloat64, sourceTokens, targetTokens]) {
    expect(list).toHaveLength(100);
  }
  training.losses.forEach((loss, i) => {
    expect(Math.abs(loss / training.lossesFloat64[i]! - 1)).toBeLessThan(1e-5);
  });
  expect(training.losses[99]).toBeLessThan(0.6 * training.losses[0]!);
  expect([firstRow.source.at(-1), firstRow.targetOut.at(-1)]).toEqual([3, 3]);
  expect(parameters['encoder.embedding.weight']!.shape[0]).toBe(vocabularies.source.size);
  expect(parameters['decoder.output.bias']!.shape[0]).toBe(vocabularies.target.size);
});

test('swapping the leading axes', () => {
  const tensor = { shape: [2, 3, 2], data: Float64Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) };
  const swapped = swapLeadingAxes(tensor);
  expect(swapped.shape).toEqual([3, 2, 2]);
  expect([...swapped.data]).toEqual([1, 2, 7, 8, 3, 4, 9, 10, 5, 6, 11, 12]);
});
