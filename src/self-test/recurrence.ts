/** Self-tests of the recurrent layers: both directions, rows that end early, initial states. */
import { gru, gruResetBefore, lstm, rnn } from '../ops/functions/recurrent.ts';
import { type ReferenceWeights, recurrentReference } from '../reference/recurrent.ts';
import { inPrecision, type RandomTensors, type TestCase, type Variant } from './test-case.ts';

/** `variants`: there is one for CPUs with subgroups, and one in tiles for GPUs. */
const cells = {
  lstm: { gates: 4, states: ['h', 'c'], run: lstm, options: {}, variants: true },
  gru: { gates: 3, states: ['h'], run: gru, options: {}, variants: true },
  gru_reset_before: { gates: 3, states: ['h'], run: gruResetBefore, options: {}, variants: false },
  'rnn-tanh': { gates: 1, states: ['h'], run: rnn, options: { nonlinearity: 'tanh' }, variants: true },
  'rnn-relu': { gates: 1, states: ['h'], run: rnn, options: { nonlinearity: 'relu' }, variants: true },
} as const;

type CellName = keyof typeof cells;
type Layer = typeof lstm;

const I = 7;
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

interface Sizes {
  readonly T: number;
  readonly B: number;
  readonly H: number;
  readonly D: 1 | 2;
}

function recurrentCase(cell: CellName, name: string, variant: Variant, { T, B, H, D }: Sizes): TestCase {
  const { gates, states, run, options } = cells[cell];
  return {
    kernel: cell,
    name: `${name}, B ${B}, H ${H}`,
    variant,
    tiles: name.startsWith('tiles'),
    // Where a unit comes close to 0, rounding to f16 turns relu's gradient off or on. Its kernel is that of tanh.
    roundings: cell === 'rnn-relu' ? 0 : 12,
    async run(gpu, random, precision) {
      const x = random.floats([T, B, I]);
      const lengths = random.ids([B], 0, T + 1);
      const [own, other] = [randomWeights(random, gates * H, H), randomWeights(random, gates * H, H)];
      const reverse =
        D === 2 ? weightNames.map((weight) => [`${weight}Reverse`, other[weight]] as const) : [];
      const initial = states.map((state) => [`${state}0`, random.floats([B, D * H])] as const);
      const upstream = {
        output: random.floats([T, B, D * H]),
        ...Object.fromEntries(states.map((state) => [state, random.floats([B, D * H])])),
      };
      const inputs = {
        x,
        ...own,
        ...Object.fromEntries(reverse),
        lengths,
        ...Object.fromEntries(initial),
      };
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
        weights: [own, other].slice(0, D).map(dataOf),
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
            ...(dOther &&
              Object.fromEntries(weightNames.map((weight) => [`${weight}Reverse`, dOther[weight]]))),
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

const plain: Variant = { software: true, subgroups: false };
const quads: Variant = { software: true, subgroups: true };
const hardware: Variant = { software: false, subgroups: false };

const odd: Sizes = { T: 4, B: 5, H: 33, D: 2 };
const names = Object.keys(cells) as CellName[];

export const recurrentCases: readonly TestCase[] = names.flatMap((cell) =>
  cells[cell].variants
    ? [
        recurrentCase(cell, 'plain', plain, odd),
        recurrentCase(cell, 'plain, many steps at once', hardware, odd),
        recurrentCase(cell, 'quads', quads, { ...odd, B: 18, H: 68 }),
        recurrentCase(cell, 'quads, many steps at once', quads, { ...odd, B: 18, H: 12 }),
      ]
    : [recurrentCase(cell, 'plain', hardware, odd)],
);

/** By a GPU's tiles, of which the relu has none of its own. Layers with fewer units would take many steps at once. */
export const recurrentTileCases: readonly TestCase[] = names
  .filter((cell) => cells[cell].variants && cell !== 'rnn-relu')
  .flatMap((cell) => [
    recurrentCase(cell, 'tiles', hardware, { ...odd, H: 131 }),
    // A single step of one direction takes its input along.
    recurrentCase(cell, 'tiles, a step with its input', hardware, { T: 1, B: 7, H: 19, D: 1 }),
  ]);
