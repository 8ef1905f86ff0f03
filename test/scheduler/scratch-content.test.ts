/**
 * Nothing may read scratch memory before it was written in the same run. Whole training plans, dropout included: filled
 * with NaN between two runs the memory changes no bit, nor does it where every tensor has memory of its own, so that
 * no tensor can profit from what another left behind.
 */
import { describe, expect, test, vi } from 'vitest';
import type { Seq2SeqConfig } from '../../src/nn/model-config.ts';
import { Seq2SeqNetwork } from '../../src/nn/seq2seq.ts';
import { lifetimes } from '../../src/scheduler/memory-planner.ts';
import { loadSeq2Seq } from '../setup/golden.ts';
import { batchOf, modelConfigOf } from '../setup/golden-model.ts';
import { testGpu } from '../setup/gpu.ts';
import { observedPool } from '../setup/scratch.ts';
import { createStepRunner } from '../setup/step-runner.ts';

let shared = true;

vi.mock(import('../../src/scheduler/memory-planner.ts'), async (original) => {
  const real = await original();
  return {
    ...real,
    planMemory(dispatches) {
      const plan = real.planMemory(dispatches);
      if (shared) return plan;
      const bySize = real.lifetimes(dispatches).toSorted((a, b) => b.storage.bytes - a.storage.bytes);
      return {
        slots: bySize.map(({ storage }) => storage.bytes),
        slotOf: new Map(bySize.map(({ storage }, slot) => [storage, slot])),
        lowerBound: plan.lowerBound,
      };
    },
  };
});

/** Between them: every cell and score, both directions, two layers, bridge, input feeding, tied weights. */
const names = [
  'lstm-bi-everything',
  'gru-bi-bridge-concat',
  'gru-uni-2layer-feed',
  'lstm-bi-2layer',
  'rnn-relu-bi-feed',
  'lstm-uni-dot',
];

function withDropout(config: Seq2SeqConfig): Seq2SeqConfig {
  const dropped = structuredClone(config);
  dropped.encoder.embeddings.dropout = 0.3;
  dropped.encoder.dropout = 0.2;
  dropped.decoder.embeddings.dropout = 0.3;
  dropped.decoder.dropout = 0.2;
  dropped.decoder.hidden_dropout = 0.3;
  return dropped;
}

describe.each(names)('%s', (name) => {
  const golden = loadSeq2Seq(name);

  test('reads no scratch memory that it has not written', async () => {
    const gpu = await testGpu();
    const { sourceVocabulary: source, targetVocabulary: target, labelSmoothing } = golden.config;
    const network = new Seq2SeqNetwork(gpu, withDropout(modelConfigOf(golden.config)), { source, target });
    network.parameters.writeAll(
      new Map(Object.entries(golden.parameters).map(([key, { data }]) => [key, Float32Array.from(data)])),
    );
    const options = { labelSmoothing, scale: 0.25 };
    const batch = batchOf(golden.batch);

    shared = true;
    const scratch = observedPool(gpu);
    const step = await createStepRunner(gpu, scratch.pool, network, batch, options);
    const first = await step.run();
    scratch.poison();
    expect(await step.run(), 'run again in poisoned memory').toEqual(first);

    shared = false;
    const own = observedPool(gpu);
    const apart = await createStepRunner(gpu, own.pool, network, batch, options);
    expect(own.buffers.size).toBe(lifetimes(apart.plan.dispatches).length);
    expect(own.buffers.size).toBeGreaterThan(scratch.buffers.size);
    own.poison();
    expect(await apart.run(), 'every tensor in poisoned memory of its own').toEqual(first);

    for (const [key, values] of first) expect(values.every(Number.isFinite), key).toBe(true);
    step.dispose();
    apart.dispose();
    network.dispose();
  });
});
