/** Self-tests of the recurrent layers: both directions, rows that end early, initial states. */
import { gru, gruResetBefore, lstm, rnn } from '../ops/functions/recurrent.ts';
import { type ReferenceWeights, recurrentReference } from '../reference/recurrent.ts';
import { inPrecision, type RandomTensors, type TestCase, type Variant } from './test-case.ts';

/** `quads`: there is a variant for CPUs with subgroups. */
const cells = {
  lstm: { gates: 4, states: ['h', 'c'], run: lstm, options: {}, quads: true },
  gru: { gates: 3, states: ['h'], run: gru, options: {}, quads: true },
  gru_reset_before: { gates: 3, states: ['h'], run: gruResetBefore, options: {}, quads: false },
  'rnn-tanh': { gates: 1, states: ['h'], run: rnn, options: { nonlinearity: 'tanh' }, quads: true },
  'rnn-relu': { gates: 1, states: ['h'], run: rnn, options: { nonlinearity: 'relu' }, quads: true },
} as const;

type CellName = keyof typeof cells;
type Layer = typeof lstm;

const [T, I] = [4, 7];
const weightNames = ['weightIh', 'weightHh', 'biasIh', 'biasHh'] as const;

function randomWeights(random: RandomTensors, rows: number, H: number) {
  return {
    weightIh: random.floats([rows, I], 0.5),
    weightHh: random.floats([rows, H], 0.5),
    biasIh: random.floats([rows], 0.5),
    biasHh: random.floats([rows], 0.5),
  };
}

type Weights = ReturnType<typeof randomWeights>;

function recurrentCase(cell: CellName, name: string, variant: Variant, B: number, H: number): TestCase {
  const { gates, states, run, options } = cells[cell];
  return {
    kernel: cell,
    name,
    variant,
    // Where a unit comes close to 0, rounding to f16 turns relu's gradient off or on. Its kernel is that of tanh.
    roundings: cell === 'rnn-relu' ? 0 : 12,
    async run(gpu, random, precision) {
      const x = random.floats([T, B, I]);
      const lengths = random.ids([B], 0, T + 1);
      const [own, other] = [randomWeights(random, gates * H, H), randomWeights(random, gates * H, H)];
      const both = Object.fromEntries(weightNames.map((weight) => [`${weight}Reverse`, other[weight]]));
      const initial = states.map((state) => [`${state}0`, random.floats([B, 2 * H])] as const);
      const upstream = {
        output: random.floats([T, B, 2 * H]),
        ...Object.fromEntries(states.map((state) => [state, random.floats([B, 2 * H])])),
      };
      const inputs = { x, ...own, ...both, lengths, ...Object.fromEntries(initial) };
      const { outputs, gradients } = await inPrecision(run as Layer, precision)(
        gpu,
        inputs,
        options as object,
        upstream,
      );
      const expected = recurrentReference({
        cell,
        steps: T,
        batch: B,
        width: I,
        hidden: H,
        input: x.data,
        weights: [own, other].map(dataOf),
        lengths: lengths.data,
        initial: initial.map(([, { data }]) => data),
      });
      const backward = expected.backward({
        output: upstream.output.data,
        final: states.map((state) => (upstream as Record<string, { data: Float32Array }>)[state]!.data),
      });
      const [dOwn, dOther] = backward.weights;
      const final = states.map((state, index) => [state, expected.final[index]!] as const);
      return {
        values: [outputs, { output: expected.output, ...Object.fromEntries(final) }],
        gradients: [
          gradients as Record<string, { data: Float32Array }>,
          {
            x: backward.input,
            ...dOwn!,
            ...Object.fromEntries(weightNames.map((weight) => [`${weight}Reverse`, dOther![weight]])),
            ...Object.fromEntries(states.map((state, index) => [`${state}0`, backward.initial[index]!])),
          },
        ],
      };
    },
  };
}

function dataOf(weights: Weights): ReferenceWeights {
  const data = weightNames.map((name) => [name, weights[name].data] as const);
  return Object.fromEntries(data) as unknown as ReferenceWeights;
}

const plain: Variant = { software: false, subgroups: false };
const quads: Variant = { software: true, subgroups: true };
/** The weights are transposed element by element. */
const odd: Variant = { software: true, subgroups: false };

export const recurrentCases: readonly TestCase[] = (Object.keys(cells) as CellName[]).flatMap((cell) => [
  recurrentCase(cell, 'plain, B 5, H 33', plain, 5, 33),
  recurrentCase(cell, 'plain on a CPU, B 3, H 7', odd, 3, 7),
  ...(cells[cell].quads ? [recurrentCase(cell, 'quads, B 18, H 12', quads, 18, 12)] : []),
  // Layers with few units take many steps in one dispatch, these one.
  ...(cells[cell].quads
    ? [
        recurrentCase(cell, 'plain, B 5, H 131', plain, 5, 131),
        recurrentCase(cell, 'quads, B 18, H 68', quads, 18, 68),
      ]
    : []),
]);
