/** The public functions of CRF, pooling and broadcasting; the ops themselves: test/ops/crf.test.ts, pooling.test.ts. */
import { describe, expect, test } from 'vitest';
import * as ops from '../../../src/ops.ts';
import { crfReference, viterbi } from '../../../src/reference/crf.ts';
import { crossEntropyReference } from '../../../src/reference/cross-entropy.ts';
import * as poolingReference from '../../../src/reference/pooling.ts';
import { expectClose, forwardTolerance, gradientTolerance } from '../../setup/compare.ts';
import { testGpu } from '../../setup/gpu.ts';
import { randomFloats, randomIds } from '../../setup/random.ts';

const ids = (...values: number[]) => ({ data: Uint32Array.from(values), shape: [values.length] });
const [T, B, C] = [5, 3, 4];
const crf = {
  emissions: randomFloats(1, [T, B, C], 2),
  transitions: randomFloats(2, [C, C]),
  start: randomFloats(3, [C]),
  end: randomFloats(4, [C]),
};
const tags = randomIds(5, [T, B], 0, C);
const crfCase = (lengths: ArrayLike<number>) => ({
  steps: T,
  batch: B,
  tags: C,
  lengths,
  emissions: crf.emissions.data,
  transitions: crf.transitions.data,
  start: crf.start.data,
  end: crf.end.data,
});

describe.each([undefined, ids(5, 0, 2)])(
  'lengths that are given, and all T where they are not',
  (lengths) => {
    const given = lengths && { lengths };
    const known = lengths?.data ?? [T, T, T];

    test('crfLoss', async () => {
      const upstream = { loss: { data: Float32Array.of(-0.5), shape: [] } };
      const { outputs, gradients } = await ops.crfLoss(
        await testGpu(),
        { ...crf, tags, ...given },
        {},
        upstream,
      );
      const expected = crfReference({ ...crfCase(known), labels: tags.data, scale: -0.5 });
      for (const name of ['loss', 'tokens', 'correct'] as const) {
        expect(outputs[name].shape).toEqual([]);
        expectClose(outputs[name].data, [expected[name]], forwardTolerance, name);
      }
      expect(Object.keys(gradients).sort()).toEqual(['emissions', 'end', 'start', 'transitions']);
      for (const name of ['emissions', 'transitions', 'start', 'end'] as const) {
        expectClose(gradients[name]!.data, expected.gradients[name], gradientTolerance, name);
      }
      expect((await ops.crfLoss(await testGpu(), { ...crf, tags, ...given })).outputs).toEqual(outputs);
    });

    test('crfDecode', async () => {
      const { outputs } = await ops.crfDecode(await testGpu(), { ...crf, ...given });
      const expected = viterbi(crfCase(known));
      expect(outputs.tags).toEqual({ data: Uint32Array.from(expected.tags), shape: [T, B] });
      expect(outputs.score.shape).toEqual([B]);
      expectClose(outputs.score.data, expected.scores, forwardTolerance, 'score');
    });

    test.each(['mean', 'max'] as const)('pooling: %s', async (kind) => {
      const [x, y] = [crf.emissions, randomFloats(6, [B, C])];
      const { outputs, gradients } = await ops.pooling(await testGpu(), { x, ...given }, { kind }, { y });
      const expected = poolingReference.pooling(kind, { T, B, H: C }, x.data, known, y.data);
      expectClose(outputs.y.data, expected.y, forwardTolerance, 'y');
      expectClose(gradients.x.data, expected.dx, gradientTolerance, 'gradient of x');
      if (kind === 'max') return;
      expect((await ops.pooling(await testGpu(), { x, ...given })).outputs).toEqual(outputs);
    });

    test('attentionPooling', async () => {
      const [memory, A] = [crf.emissions, 6];
      const weights = {
        weight: randomFloats(7, [A, C]),
        bias: randomFloats(8, [A]),
        v: randomFloats(9, [A]),
      };
      const upstream = { context: randomFloats(10, [B, C]), alignments: randomFloats(11, [B, T]) };
      const inputs = { memory, ...weights, ...given };
      const { outputs, gradients } = await ops.attentionPooling(await testGpu(), inputs, {}, upstream);
      const { context, alignments, ...expected } = poolingReference.attentionPooling(
        { T, B, M: C, A },
        { memory: memory.data, weight: weights.weight.data, bias: weights.bias.data, v: weights.v.data },
        known,
        { context: upstream.context.data, alignments: upstream.alignments.data },
      );
      expectClose(outputs.context.data, context, forwardTolerance, 'context');
      expectClose(outputs.alignments.data, alignments, forwardTolerance, 'alignments');
      for (const name of ['memory', 'weight', 'bias', 'v'] as const) {
        expectClose(gradients[name]!.data, expected.gradients[name], gradientTolerance, name);
      }
    });
  },
);

test('broadcast', async () => {
  const x = randomFloats(12, [2, 3]);
  const y = { data: Float32Array.from({ length: 24 }, (_, i) => i), shape: [4, 2, 3] };
  const { outputs, gradients } = await ops.broadcast(await testGpu(), { x }, { steps: 4 }, { y });
  expect(outputs.y.shape).toEqual([4, 2, 3]);
  expect([...outputs.y.data]).toEqual([...x.data, ...x.data, ...x.data, ...x.data]);
  expect([...gradients.x.data]).toEqual([36, 40, 44, 48, 52, 56]);
});

test('crossEntropy with class weights, which get no gradient', async () => {
  const [N, H, V] = [7, 3, 5];
  const inputs = {
    hidden: randomFloats(13, [N, H]),
    weight: randomFloats(14, [V, H]),
    targets: randomIds(15, [N], 0, V),
    classWeights: { data: Float32Array.of(0.5, 0, 2, 1, 3), shape: [V] },
  };
  const upstream = { loss: { data: Float32Array.of(1), shape: [] } };
  const { outputs, gradients } = await ops.crossEntropy(await testGpu(), inputs, {}, upstream);
  const expected = crossEntropyReference({
    hidden: inputs.hidden.data,
    weight: inputs.weight.data,
    targets: inputs.targets.data,
    classWeights: inputs.classWeights.data,
    size: H,
    vocabulary: V,
    ignoreIndex: -1,
    smoothing: 0,
    scale: 1,
  });
  expectClose(outputs.loss.data, [expected.loss], forwardTolerance, 'loss');
  expectClose(outputs.nll.data, [expected.nll], forwardTolerance, 'nll');
  expectClose(gradients.hidden.data, expected.gradients.hidden, gradientTolerance, 'gradient of hidden');
  expect([...gradients.classWeights!.data]).toEqual([0, 0, 0, 0, 0]);
});

test('what does not fit is refused by name', async () => {
  const gpu = await testGpu();
  await expect(ops.crfLoss(gpu, { ...crf, tags: randomIds(1, [B, T], 0, C) })).rejects.toThrow(
    'crfLoss: tags is',
  );
  await expect(ops.crfDecode(gpu, { ...crf, lengths: ids(5, 6, 1) })).rejects.toThrow(
    'crfDecode: lengths[1] is 6',
  );
  await expect(ops.crfDecode(gpu, { ...crf, end: randomFloats(1, [3]) })).rejects.toThrow(
    'crfDecode: end is [3]',
  );
  await expect(ops.pooling(gpu, { x: crf.start })).rejects.toThrow('pooling: x is [4]');
  await expect(ops.pooling(gpu, { x: crf.emissions }, { kind: 'sum' as never })).rejects.toThrow(
    "'sum' is none of",
  );
  await expect(ops.broadcast(gpu, { x: crf.transitions }, { steps: 1.5 })).rejects.toThrow('1.5 steps');
});
