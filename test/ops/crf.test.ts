import { describe, expect, test } from 'vitest';
import { crfDecode, crfLoss } from '../../src/ops/crf.ts';
import { statistic } from '../../src/ops/cross-entropy.ts';
import { evaluate, type Value } from '../../src/ops/evaluate.ts';
import { type CrfCase, crfReference, viterbi } from '../../src/reference/crf.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import { expectClose, forwardTolerance, gradientTolerance } from '../setup/compare.ts';
import { loadCrf } from '../setup/golden.ts';
import { testGpu } from '../setup/gpu.ts';
import { findRaces } from '../setup/races.ts';
import { randomFloats, randomIds } from '../setup/random.ts';

type Name = 'emissions' | 'tags' | 'lengths' | 'transitions' | 'start' | 'end';
type Given = Readonly<Record<Name, Value>>;
const differentiated = ['emissions', 'transitions', 'start', 'end'] as const;
const scale = 0.37;

function randomCase(seed: number, [T, B, C]: readonly [number, number, number], lengths: number[]): Given {
  return {
    emissions: randomFloats(seed, [T, B, C], 2),
    tags: randomIds(seed + 1, [T, B], 0, C),
    lengths: { data: Uint32Array.from(lengths), shape: [B] },
    transitions: randomFloats(seed + 2, [C, C], 1.5),
    start: randomFloats(seed + 3, [C]),
    end: randomFloats(seed + 4, [C]),
  };
}

function referenceCase({ emissions, tags, lengths, transitions, start, end }: Given): CrfCase {
  const [steps, batch, count] = emissions.shape as [number, number, number];
  const arrays = {
    emissions: emissions.data,
    transitions: transitions.data,
    start: start.data,
    end: end.data,
  };
  const sizes = { steps, batch, tags: count, lengths: lengths.data };
  return { ...arrays, ...sizes, labels: tags.data, scale: Math.fround(scale) };
}

async function run(given: Given, { times = 1, factor = scale } = {}) {
  const inputs = {
    ...given,
    scale: { data: Float32Array.of(factor), shape: [1] },
    statistics: { data: new Float32Array(8), shape: [8] },
  };
  const { outputs, gradients } = await evaluate(
    await testGpu(),
    inputs,
    (tape, tensors) => {
      for (let i = 0; i < times; i++) crfLoss(tape, tensors);
      return { statistics: tensors.statistics };
    },
    'loss',
  );
  return { statistics: outputs.statistics.data, gradients };
}

async function decode(given: Given) {
  const { outputs } = await evaluate(await testGpu(), { ...given }, (tape, tensors) => {
    const { tags, score } = crfDecode(tape, tensors);
    return { path: tags, score };
  });
  return { path: [...new Uint32Array(outputs.path.data.buffer)], score: outputs.score.data };
}

async function expectReference(given: Given): Promise<void> {
  const { statistics, gradients } = await run(given);
  const expected = crfReference(referenceCase(given));
  expectClose([statistics[statistic.loss]!], [expected.loss], forwardTolerance, 'loss');
  expect(statistics[statistic.nll]).toBe(statistics[statistic.loss]);
  expect([...statistics.slice(2)]).toEqual([expected.tokens, expected.correct, 0, 0, 0, 0]);
  for (const name of differentiated) {
    expectClose(gradients[name]!.data, expected.gradients[name], gradientTolerance, `gradient of ${name}`);
  }
  const decoded = viterbi(referenceCase(given));
  const { path, score } = await decode(given);
  expect(path).toEqual([...decoded.tags]);
  expectClose(score, decoded.scores, forwardTolerance, 'score');
}

/** Loss, gradient of the loss and best path by going through all C^L tag sequences of every row. */
function bruteForce(given: Given) {
  const { steps, batch, tags, emissions, labels, lengths, transitions, start, end } = referenceCase(given);
  const gradients = {
    emissions: new Float64Array(steps * batch * tags),
    transitions: new Float64Array(tags * tags),
    start: new Float64Array(tags),
    end: new Float64Array(tags),
  };
  const path = new Array<number>(steps * batch).fill(0);
  const scores = new Array<number>(batch).fill(0);
  let loss = 0;
  for (let row = 0; row < batch; row++) {
    const length = lengths[row]!;
    if (length === 0) continue;
    const sequences = Array.from({ length: tags ** length }, (_, number) =>
      Array.from({ length }, (_, t) => Math.floor(number / tags ** t) % tags),
    );
    const scoreOf = (sequence: number[]) => {
      let sum = start[sequence[0]!]! + end[sequence[length - 1]!]!;
      for (const [t, tag] of sequence.entries()) {
        sum += emissions[(t * batch + row) * tags + tag]!;
        if (t > 0) sum += transitions[sequence[t - 1]! * tags + tag]!;
      }
      return sum;
    };
    const add = (sequence: number[], weight: number) => {
      gradients.start[sequence[0]!]! += weight;
      gradients.end[sequence[length - 1]!]! += weight;
      for (const [t, tag] of sequence.entries()) {
        gradients.emissions[(t * batch + row) * tags + tag]! += weight;
        if (t > 0) gradients.transitions[sequence[t - 1]! * tags + tag]! += weight;
      }
    };
    const all = sequences.map(scoreOf);
    const sum = all.reduce((total, score) => total + Math.exp(score), 0);
    const gold = Array.from({ length }, (_, t) => labels[t * batch + row]!);
    loss += Math.log(sum) - scoreOf(gold);
    for (const [i, sequence] of sequences.entries()) add(sequence, Math.exp(all[i]!) / sum);
    add(gold, -1);
    // The sequences count up from their last position on, so the first of equals has the lower tags from there.
    const best = all.indexOf(Math.max(...all));
    scores[row] = all[best]!;
    for (const [t, tag] of sequences[best]!.entries()) path[t * batch + row] = tag;
  }
  return { loss, gradients, path, scores };
}

describe('against all tag sequences', () => {
  const cases = [
    { seed: 1, sizes: [4, 5, 3], lengths: [4, 0, 1, 3, 2] },
    { seed: 2, sizes: [3, 3, 5], lengths: [2, 3, 3] },
    { seed: 3, sizes: [8, 2, 2], lengths: [8, 5] },
    { seed: 4, sizes: [1, 3, 4], lengths: [1, 0, 1] },
  ] as const;
  test.each(cases)('$sizes, lengths $lengths', async ({ seed, sizes, lengths }) => {
    const given = randomCase(10 * seed, sizes, [...lengths]);
    const { loss, gradients: slopes, path, scores } = bruteForce(given);
    const { statistics, gradients } = await run(given);
    expectClose([statistics[statistic.loss]!], [loss], forwardTolerance, 'loss');
    const reference = crfReference(referenceCase(given));
    expectClose([reference.loss], [loss], 1e-12, 'loss of the reference');
    for (const name of differentiated) {
      const wanted = slopes[name].map((slope) => slope * Math.fround(scale));
      expectClose(gradients[name]!.data, wanted, gradientTolerance, `gradient of ${name}`);
      expectClose(reference.gradients[name], wanted, 1e-12, `reference's gradient of ${name}`);
    }
    const decoded = await decode(given);
    expect(decoded.path).toEqual(path);
    expectClose(decoded.score, scores, forwardTolerance, 'score');
    expect([...viterbi(referenceCase(given)).tags]).toEqual(path);
    const places = path
      .map((_, place) => place)
      .filter((place) => Math.floor(place / sizes[1]) < lengths[place % sizes[1]]!);
    const right = places.filter((place) => given.tags.data[place] === path[place]);
    expect([...statistics.slice(2, 4)]).toEqual([places.length, right.length]);
  });

  test('of equal paths the one with the lower tags, from the last position on', async () => {
    const given = randomCase(50, [4, 40, 3], new Array(40).fill(4));
    // Small integers: many paths are equally good, exactly.
    const whole = (name: Name, low: number, high: number) => {
      const value = { ...given[name], data: Float32Array.from(given[name].data) };
      const draws = randomIds(60 + name.length, value.shape, low, high).data;
      for (const [i, draw] of draws.entries()) value.data[i] = draw;
      return value;
    };
    const tied = {
      ...given,
      emissions: whole('emissions', 0, 2),
      transitions: whole('transitions', 0, 2),
      start: whole('start', 0, 2),
      end: whole('end', 0, 2),
    };
    const { path, scores } = bruteForce(tied);
    const decoded = await decode(tied);
    expect(decoded.path).toEqual(path);
    expect([...decoded.score]).toEqual(scores);
  });
});

test.each(loadCrf())('against pytorch-crf, lengths $lengths', async (golden) => {
  const value = ({ data, shape }: { data: Float64Array; shape: readonly number[] }): Value => ({
    data: Float32Array.from(data),
    shape,
  });
  const [T, B] = golden.emissions.shape as [number, number];
  const given = {
    emissions: value(golden.emissions),
    tags: { data: Uint32Array.from(golden.tags.flat()), shape: [T, B] },
    lengths: { data: Uint32Array.from(golden.lengths), shape: [B] },
    transitions: value(golden.transitions),
    start: value(golden.start),
    end: value(golden.end),
  };
  const { statistics, gradients } = await run(given, { factor: 1 });
  expectClose([statistics[statistic.loss]!], [golden.loss], forwardTolerance, 'loss');
  for (const name of differentiated) {
    expectClose(gradients[name]!.data, golden.gradients[name].data, gradientTolerance, `gradient of ${name}`);
  }
  const { path } = await decode(given);
  const rows = golden.lengths.map((length, row) => Array.from({ length }, (_, t) => path[t * B + row]));
  expect(rows).toEqual(golden.decoded);
});

describe('against the float64 reference', () => {
  test.each([
    { sizes: [1, 1, 1], lengths: [1] },
    { sizes: [2, 65, 2], lengths: Array.from({ length: 65 }, (_, row) => row % 3) },
    { sizes: [13, 4, 17], lengths: [13, 1, 0, 12] },
    { sizes: [5, 3, 63], lengths: [5, 4, 2] },
    { sizes: [3, 2, 65], lengths: [2, 3] },
    { sizes: [150, 3, 9], lengths: [150, 149, 77] },
  ] as const)('$sizes', ({ sizes, lengths }) =>
    expectReference(randomCase(100 + sizes[0], sizes, [...lengths])),
  );

  test('so many pairs of tags that they take several dispatches', () =>
    expectReference(randomCase(120, [4, 3, 700], [4, 3, 1])));

  test('lengths beyond T count as T', async () => {
    const given = randomCase(130, [5, 3, 4], [5, 9, 2]);
    await expectReference(given);
  });

  test('one tag: nothing to lose, nothing to learn', async () => {
    const given = randomCase(135, [6, 3, 1], [6, 0, 2]);
    const { statistics, gradients } = await run(given);
    expect(Math.abs(statistics[statistic.loss]!)).toBeLessThan(1e-6);
    expect([...statistics.slice(2, 4)]).toEqual([8, 8]);
    for (const name of differentiated) {
      expect(Math.max(...gradients[name]!.data.map(Math.abs))).toBeLessThan(1e-6);
    }
  });

  test('scores of ±10⁴', () => {
    const given = randomCase(140, [6, 3, 5], [6, 4, 1]);
    // Quarters, whose sums float32 holds exactly: what is tested is not what rounding does to a sum of such numbers.
    const grown = ({ data, shape }: Value) => ({
      data: Float32Array.from(data, (x) => Math.round(x * 20_000) / 4),
      shape,
    });
    const [emissions, transitions] = [grown(given.emissions), grown(given.transitions)];
    const [start, end] = [grown(given.start), grown(given.end)];
    return expectReference({ ...given, emissions, transitions, start, end });
  });

  test('a small loss of a long row is right: no difference of large numbers', async () => {
    const given = randomCase(150, [200, 2, 4], [200, 199]);
    const emissions = {
      ...given.emissions,
      data: Float32Array.from(given.emissions.data, (x) => x / 10 + 40),
    };
    for (const [place, tag] of given.tags.data.entries()) emissions.data[place * 4 + tag]! += 8;
    const confident = { ...given, emissions };
    const expected = crfReference(referenceCase(confident));
    expect(expected.loss).toBeLessThan(2);
    expect(viterbi(referenceCase(confident)).scores[0]).toBeGreaterThan(9000);
    const { statistics, gradients } = await run(confident);
    expectClose([statistics[statistic.loss]!], [expected.loss], forwardTolerance, 'loss');
    // A gradient is the difference of a probability and 1 here, or the sum of 397 such: as exact as that.
    for (const name of differentiated) {
      const errors = gradients[name]!.data.map((slope, i) => Math.abs(slope - expected.gradients[name][i]!));
      expect(Math.max(...errors), name).toBeLessThan(name === 'transitions' ? 4e-6 : 1e-6);
    }
  });

  test('the reference itself, by finite differences', () => {
    const given = referenceCase(randomCase(160, [4, 4, 3], [4, 1, 0, 3]));
    const { gradients } = crfReference(given);
    for (const name of differentiated) {
      const values = Float64Array.from(given[name]);
      const differences = values.map((_, i) => {
        const at = (step: number) => {
          const moved = Float64Array.from(values);
          moved[i]! += step;
          return crfReference({ ...given, [name]: moved }).loss;
        };
        return (given.scale * (at(1e-5) - at(-1e-5))) / 2e-5;
      });
      expectClose(gradients[name], differences, 1e-8, name);
    }
  });
});

describe('tags that are none', () => {
  test('stand for the tag of the largest emission and are never right', async () => {
    const given = randomCase(170, [7, 3, 5], [7, 4, 1]);
    const unknown = [0, 7, 8, 9, 19];
    for (const place of unknown) given.tags.data[place] = place % 2 === 0 ? 5 : 0xffff_ffff;
    await expectReference(given);
    const filled = { ...given, tags: { ...given.tags, data: given.tags.data.slice() } };
    for (const place of unknown) {
      const own = [...given.emissions.data.slice(place * 5, place * 5 + 5)];
      filled.tags.data[place] = own.indexOf(Math.max(...own));
    }
    const [marked, plain] = [await run(given), await run(filled)];
    expect(marked.gradients).toEqual(plain.gradients);
    expect([...marked.statistics.slice(0, 3)]).toEqual([...plain.statistics.slice(0, 3)]);
    expect(marked.statistics[statistic.correct]).toBeLessThan(plain.statistics[statistic.correct]!);
  });

  test('nothing beyond a row’s length matters', async () => {
    const given = randomCase(180, [6, 3, 4], [2, 0, 6]);
    const other = {
      ...given,
      emissions: { ...given.emissions, data: given.emissions.data.slice() },
      tags: { ...given.tags, data: given.tags.data.slice() },
    };
    for (let t = 0; t < 6; t++) {
      for (let row = 0; row < 2; row++) {
        if (t < given.lengths.data[row]!) continue;
        other.emissions.data.fill(Number.NaN, (t * 3 + row) * 4, (t * 3 + row + 1) * 4);
        other.tags.data[t * 3 + row] = 77;
      }
    }
    expect(await run(other)).toEqual(await run(given));
    expect(await decode(other)).toEqual(await decode(given));
    const { gradients } = await run(given);
    expect([...gradients.emissions!.data.slice(4, 8)]).toEqual([0, 0, 0, 0]);
  });

  test('rows of length 0 alone give exactly nothing', async () => {
    const { statistics, gradients } = await run(randomCase(190, [3, 2, 4], [0, 0]));
    expect([...statistics]).toEqual(Array(8).fill(0));
    for (const name of differentiated) expect(gradients[name]!.data.every((slope) => slope === 0)).toBe(true);
  });
});

describe('where something is not finite the loss is not either', () => {
  const places = [
    ['emissions', 0],
    ['emissions', 1 * 2 * 3 + 1],
    ['emissions', 4 * 2 * 3 + 2],
    ['transitions', 4],
    ['start', 1],
    ['end', 2],
  ] as const;
  test.each(places)('%s[%i]', async (name, place) => {
    for (const value of [Number.NaN, Infinity, -Infinity]) {
      const given = randomCase(200, [5, 2, 3], [5, 5]);
      (given[name].data as Float32Array)[place] = value;
      const { statistics } = await run(given);
      expect(Number.isFinite(statistics[statistic.loss])).toBe(false);
    }
  });
});

describe('bits', () => {
  test('two runs are equal', async () => {
    const given = randomCase(210, [9, 5, 7], [9, 0, 4, 1, 8]);
    expect(await run(given)).toEqual(await run(given));
  });

  test('a row has the same loss, gradient and path in any batch, however far it is padded', async () => {
    const wide = randomCase(220, [11, 4, 7], [0, 8, 11, 3]);
    const row = 1;
    const pick = ({ data, shape }: Value, T: number): Value => {
      const width = shape[2] ?? 1;
      const own = Array.from({ length: T }, (_, t) => [
        ...data.slice((t * 4 + row) * width, (t * 4 + row + 1) * width),
      ]);
      const array = data instanceof Float32Array ? Float32Array : Uint32Array;
      return { data: array.from(own.flat()), shape: [T, 1, ...shape.slice(2)] };
    };
    const alone = {
      ...wide,
      emissions: pick(wide.emissions, 8),
      tags: pick(wide.tags, 8),
      lengths: { data: Uint32Array.of(8), shape: [1] },
    };
    const only = { ...wide, lengths: { data: Uint32Array.of(0, 8, 0, 0), shape: [4] } };
    const expected = await run(alone);
    const among = await run(only);
    expect(among.statistics).toEqual(expected.statistics);
    const slopes = pick((await run(wide)).gradients.emissions!, 8);
    expect(slopes.data).toEqual(expected.gradients.emissions!.data);
    const { path } = await decode(wide);
    expect(pick({ data: Uint32Array.from(path), shape: [11, 4] }, 8).data).toEqual(
      Uint32Array.from((await decode(alone)).path),
    );
  });
});

test('gradients and statistics add up', async () => {
  const given = randomCase(230, [5, 3, 4], [5, 2, 0]);
  const [once, twice] = [await run(given), await run(given, { times: 2 })];
  const doubled = (values: Float32Array) => values.map((value) => 2 * value);
  expect(twice.statistics).toEqual(doubled(once.statistics));
  for (const name of differentiated) {
    expectClose(twice.gradients[name]!.data, doubled(once.gradients[name]!.data), 1e-6, name);
  }
});

describe('what is recorded', () => {
  function record(
    training: boolean,
    needed: readonly Name[],
    [T, B, C]: readonly [number, number, number] = [2, 3, 4],
  ): string[] {
    const tape = new Tape({ software: true, training });
    const tensor = (label: Name | 'scale' | 'statistics', shape: number[], dtype: 'f32' | 'u32' = 'f32') =>
      tape.tensor(label, shape, { dtype, needsGradient: needed.includes(label as Name) });
    crfLoss(tape, {
      emissions: tensor('emissions', [T, B, C]),
      tags: tensor('tags', [T, B], 'u32'),
      lengths: tensor('lengths', [B], 'u32'),
      transitions: tensor('transitions', [C, C]),
      start: tensor('start', [C]),
      end: tensor('end', [C]),
      scale: tensor('scale', [1]),
      statistics: tensor('statistics', [8]),
    });
    tape.backward();
    return tape.dispatches.map(({ shader, entry }) => `${shader.name}/${entry}`);
  }
  const loss = [
    ...['crf/gold', 'crf/forward', 'crf/forward', 'crf/finish'],
    ...['viterbi/forward', 'viterbi/forward', 'viterbi/trace', 'crf/count', 'cross-entropy/reduce'],
  ];
  test('outside training, or where nothing needs a gradient, no backward pass', () => {
    expect(record(false, differentiated)).toEqual(loss);
    expect(record(true, [])).toEqual(loss);
  });
  test('only the gradients that are needed', () => {
    const marginals = ['crf/backward', 'crf/backward'];
    expect(record(true, ['emissions'])).toEqual([...loss, ...marginals, 'crf/slopes', 'copy/fours']);
    const end = record(true, ['transitions', 'end']).slice(loss.length);
    expect(end).toEqual([...marginals, 'crf/pairs', 'column-sum/fours', 'crf/slopes', 'crf/ends']);
  });

  test('many pairs of tags in several dispatches', () => {
    const pairs = (...sizes: [number, number, number]) =>
      record(true, ['transitions'], sizes).filter((entry) => entry === 'crf/pairs').length;
    expect(pairs(1, 3, 4)).toBe(1);
    expect(pairs(4, 3, 700)).toBe(2);
    expect(pairs(4, 9, 1023)).toBe(3);
    expect(() => pairs(4, 3, 1024)).toThrow('1024 tags are more than 1023');
  });

  test('tensors that do not fit are refused', async () => {
    const given = randomCase(240, [3, 2, 4], [3, 2]);
    const refused: [Partial<Given>, string][] = [
      [{ emissions: randomFloats(1, [6, 4]) }, 'should be [T, B, C]'],
      [{ transitions: randomFloats(1, [4, 5]) }, '[4,4]'],
      [{ start: randomFloats(1, [5]) }, '[4]'],
      [{ end: randomFloats(1, [3]) }, '[4]'],
      [{ lengths: randomIds(1, [3], 0, 3) }, '[2]'],
      [{ lengths: randomFloats(1, [2]) }, 'u32'],
      [{ tags: randomIds(1, [2, 3], 0, 4) }, '[3,2]'],
      [{ tags: randomFloats(1, [3, 2]) }, 'u32'],
    ];
    for (const [part, message] of refused) {
      await expect(run({ ...given, ...part })).rejects.toThrow(message);
    }
  });
});

describe('races', () => {
  const [steps, batch, tags] = [3, 3, 5];
  const floats = (seed: number, size: number) => randomFloats(seed, [size]).data;
  const buffers = {
    emissions: floats(1, steps * batch * tags),
    tags: randomIds(2, [steps * batch], 0, tags + 1).data,
    lengths: Uint32Array.of(3, 0, 2),
    transitions: floats(3, tags * tags),
    start: floats(4, tags),
    end: floats(5, tags),
    golden: randomIds(6, [steps * batch], 0, tags).data,
    gains: floats(7, steps * batch),
    arrivals: floats(8, steps * batch * tags),
    peaks: floats(9, steps * batch),
    norms: floats(10, batch),
    path: randomIds(11, [steps * batch], 0, tags).data,
    terms: floats(12, 4 * batch),
    marginals: floats(13, steps * batch * tags),
    scale: Float32Array.of(1),
    partial: floats(14, batch * tags * tags),
    dEnd: floats(15, tags),
    best: floats(16, 2 * batch * tags),
    pointers: randomIds(17, [steps * batch * tags], 0, tags).data,
    scores: floats(18, batch),
  };
  const params = { steps, batch, tags, step: 1, stop: 3, accumulate: 1, stride: 128 };
  const entries = ['gold', 'forward', 'finish', 'count', 'backward', 'pairs', 'slopes', 'ends'] as const;
  test.each(entries)('crf/%s has none', (entry) => {
    expect(findRaces('crf', entry, { buffers, params, workgroups: [2, 1, 1] })).toEqual([]);
  });
  test.each(['forward', 'trace'] as const)('viterbi/%s has none', (entry) => {
    expect(findRaces('viterbi', entry, { buffers, params, workgroups: [2, 1, 1] })).toEqual([]);
  });
});
