/**
 * The cells' kernels for GPUs, which go through workgroup memory: in every tile they have the bits of the plain kernels, with
 * a step's input in the same dispatch too. A software adapter takes a second to compile each, so the tiles are
 * spread over the cells.
 */
import { afterAll, describe, expect, test, vi } from 'vitest';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { type ShaderName, shaderInfo } from '../../src/gpu/shader.ts';
import { cellTiles, chooseTile, type TileKind, tileGrid } from '../../src/ops/cells/cell-tiles.ts';
import { cells } from '../../src/ops/cells/registry.ts';
import { evaluate, type Value } from '../../src/ops/evaluate.ts';
import { type RecurrentInput, RecurrentLayer } from '../../src/ops/recurrent.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import { halfRounding, Variants, worstError } from '../../src/self-test/test-case.ts';
import { testGpu } from '../setup/gpu.ts';
import { findRaces } from '../setup/races.ts';
import { randomFloats } from '../setup/random.ts';

const gpu = await testGpu();
const variants = new Variants(gpu);
afterAll(() => variants.dispose());
/** Two looks of the device under which products and copies are the same kernels; sums over columns differ in their order. */
const hardware = variants.get({ software: false, subgroups: false, matmul: 'plain' })!;
const software = variants.get({ software: true, subgroups: false, matmul: 'plain' })!;

type Named<T> = Record<string, T>;
type Numbers = Named<{ data: Float32Array }>;

/** Width of what is read beside the words. */
const besideWidth = 13;

interface Case {
  T: number;
  B: number;
  I: number;
  H: number;
  D?: 1 | 2;
  reverse?: boolean;
  lengths?: number[];
  initial?: boolean;
  /**
   * How inputs are projected, all steps at once where absent: the words at each step; or all of them first and at each
   * step but the first something beside them; or both at each step.
   */
  stepwise?: 'words' | 'beside' | 'both';
  mixed?: boolean;
  forwardOnly?: boolean;
}

const dispatch = Tape.prototype.dispatch;

/** Which kernels of cells are recorded; with `index`, in that tile instead of the chosen one. */
function watchCells(kernels: Set<string>, { B, H, D = 1 }: Case, index?: number) {
  return vi.spyOn(Tape.prototype, 'dispatch').mockImplementation(function (
    this: Tape,
    ...[shader, entry, options]: Parameters<typeof dispatch>
  ) {
    const name = String(shader);
    if (!name.includes('-cell')) return dispatch.call(this, shader, entry, options);
    kernels.add(`${name}/${entry}${options.constants?.withInput ? ' with input' : ''}`);
    if (index === undefined || !name.endsWith('-tiled')) return dispatch.call(this, shader, entry, options);
    const kind: TileKind = entry === 'forward' && !name.startsWith('rnn') ? 'gates' : 'units';
    const tile = cellTiles(kind)[index]!;
    const workgroups = tileGrid(kind, tile, { batch: B, hidden: H, directions: D });
    const constants = { ...options.constants, ...tile };
    return dispatch.call(this, shader, entry, { ...options, workgroups, constants });
  } as typeof dispatch);
}

function draw(name: string, { T, B, I, H, D = 1, lengths, initial, stepwise }: Case): Named<Value> {
  const cell = cells.get({ cell: name });
  const rows = cell.gates * H;
  const hasBeside = stepwise === 'beside' || stepwise === 'both';
  const inputs: Named<Value> = { x: randomFloats(1, [T, B, I]) };
  if (hasBeside) inputs.beside = randomFloats(2, [T, B, besideWidth]);
  for (let d = 0; d < D; d++) {
    inputs[`weightIh${d}`] = randomFloats(10 + d, [rows, hasBeside ? I + besideWidth : I], 0.5);
    inputs[`weightHh${d}`] = randomFloats(20 + d, [rows, H], 1.5 / Math.sqrt(H));
    inputs[`biasIh${d}`] = randomFloats(30 + d, [rows], 0.5);
    inputs[`biasHh${d}`] = randomFloats(40 + d, [rows], 0.5);
  }
  for (const s of cell.states.keys()) if (initial) inputs[`initial${s}`] = randomFloats(50 + s, [B, D * H]);
  if (lengths) inputs.lengths = { data: Uint32Array.from(lengths), shape: [B] };
  return inputs;
}

/** A layer there and back, and the cells' kernels that it took. */
async function run(look: Gpu, name: string, sizes: Case, index?: number) {
  const { T, B, I, H, D = 1, reverse = false, initial, stepwise, mixed, forwardOnly } = sizes;
  const cell = cells.get({ cell: name });
  const kernels = new Set<string>();
  const watch = watchCells(kernels, sizes, index);
  const upstream: Named<Value> = { output: randomFloats(70, [T, B, D * H]) };
  for (const s of cell.states.keys()) upstream[`final${s}`] = randomFloats(71 + s, [B, D * H]);
  try {
    const { outputs, gradients } = await evaluate<string, string>(
      look,
      draw(name, sizes),
      (tape, tensors) => {
        const words: RecurrentInput = { tensor: tensors.x!, column: 0, width: I };
        const beside = tensors.beside && { tensor: tensors.beside, column: I, width: besideWidth, shift: 1 };
        const inputs = beside ? [words, beside] : [words];
        const layer = new RecurrentLayer(tape, {
          cell,
          label: name,
          steps: T,
          batch: B,
          hidden: H,
          inputs,
          weights: [...Array(D).keys()].map((d) => ({
            weightIh: tensors[`weightIh${d}`]!,
            weightHh: tensors[`weightHh${d}`]!,
            biasIh: tensors[`biasIh${d}`]!,
            biasHh: tensors[`biasHh${d}`]!,
          })),
          reverse,
          ...(tensors.lengths && { lengths: tensors.lengths }),
          ...(initial && { initial: cell.states.map((_, s) => tensors[`initial${s}`]) }),
        });
        if (!stepwise || stepwise === 'beside') layer.projectInput(words, 0, T);
        for (let step = 0; step < T; step++) {
          const time = reverse ? T - 1 - step : step;
          if (stepwise === 'words' || stepwise === 'both') layer.projectInput(words, time, time + 1);
          if (beside) layer.projectInput(beside, time, time + 1);
          layer.forward(step, step + 1);
        }
        tape.onBackward(() => {
          for (let step = T - 1; step >= 0; step--) layer.backward(step, step + 1);
          for (const input of inputs) layer.backwardInput(input, 0, T);
          layer.finishBackward();
        });
        const states = layer.states.map((state, s) => [`state${s}`, state] as const);
        const finals = layer.finalStates().map((state, s) => [`final${s}`, state] as const);
        return { output: layer.output, ...Object.fromEntries([...states, ...finals]) };
      },
      forwardOnly ? undefined : upstream,
      { halves: mixed ? ['x', 'beside'] : undefined },
    );
    return { outputs, gradients, kernels: [...kernels].sort() };
  } finally {
    watch.mockRestore();
  }
}

const bits = ({ data }: { data: Float32Array }) => [...new Uint32Array(data.buffer)];

/** In a tile there is what there is without, to the bit. */
async function expectSameBits(name: string, sizes: Case, index?: number): Promise<string[]> {
  const expected = await run(software, name, sizes);
  const actual = await run(hardware, name, sizes, index);
  expect(expected.kernels.map((kernel) => kernel.split('/')[0])).not.toContain(`${name}-cell-tiled`);
  for (const [tensor, value] of Object.entries(expected.outputs)) {
    expect(value.data.every(Number.isFinite), tensor).toBe(true);
    expect(bits(actual.outputs[tensor]!), tensor).toEqual(bits(value));
  }
  expect(Object.keys(actual.gradients).sort()).toEqual(Object.keys(expected.gradients).sort());
  for (const [tensor, value] of Object.entries(expected.gradients)) {
    expect(
      value!.data.some((one) => one !== 0),
      `d ${tensor}`,
    ).toBe(true);
    if (!tensor.startsWith('bias'))
      expect(bits(actual.gradients[tensor]!), `d ${tensor}`).toEqual(bits(value!));
  }
  return actual.kernels;
}

const cycle = (B: number, below: number) => [...Array(B).keys()].map((b) => b % below);
// The more workgroup memory, the longer SwiftShader takes to compile: of the largest tiles one, and one that is deep in k.
test('the tile of large layers', async () => {
  const sizes: Case = { T: 2, B: 67, I: 3, H: 18, initial: true, forwardOnly: true };
  expect(await expectSameBits('lstm', sizes, 0)).toEqual(['lstm-cell-tiled/forward']);
});

test('a tile that is deep in k', async () => {
  const sizes: Case = { T: 2, B: 17, I: 4, H: 35, D: 2, initial: true, lengths: cycle(17, 3) };
  expect(await expectSameBits('rnn', sizes, 3)).toEqual([
    'rnn-cell-tiled/backward',
    'rnn-cell-tiled/forward',
  ]);
});

describe.each(['lstm', 'gru', 'rnn'])('%s', (name) => {
  const shader = `${name}-cell-tiled` as ShaderName;
  const [backward, forward] = [`${shader}/backward`, `${shader}/forward`];
  const fused = `${shader}/forward with input`;

  test.each<Case>([
    { T: 3, B: 18, I: 4, H: 17, D: 2, initial: true, lengths: cycle(18, 4) },
    { T: 2, B: 4, I: 3, H: 64 },
  ])('a small layer: %o', async (sizes) => {
    expect(await expectSameBits(name, sizes)).toEqual([backward, forward]);
  });

  // The input's k ends within a tile, at the end of one, and within the first.
  test.each<[Case, string[]]>([
    [{ T: 1, B: 1, I: 1, H: 1, initial: true, stepwise: 'words' }, [backward, fused]],
    [{ T: 3, B: 5, I: 17, H: 9, stepwise: 'words' }, [backward, fused]],
    [{ T: 3, B: 5, I: 16, H: 10, initial: true, reverse: true, stepwise: 'words' }, [backward, fused]],
    [{ T: 3, B: 6, I: 3, H: 8, stepwise: 'beside' }, [backward, forward, fused]],
    [{ T: 3, B: 3, I: 5, H: 19, lengths: [2, 3, 1], initial: true, stepwise: 'both' }, [backward, fused]],
  ])('the input in the same dispatch: %o', async (sizes, kernels) => {
    expect(await expectSameBits(name, sizes)).toEqual(kernels);
  });

  if (gpu.halves)
    test('the input in the same dispatch, in mixed precision', async () => {
      const sizes: Case = { T: 3, B: 5, I: 7, H: 10, initial: true, stepwise: 'both', mixed: true };
      // The input's product is rounded in one of the two.
      const [tiled, plain] = [await run(hardware, name, sizes), await run(software, name, sizes)];
      expect(tiled.kernels).toEqual([backward, fused]);
      const dataOf = (values: object) =>
        Object.fromEntries(Object.entries(values).map(([tensor, { data }]) => [tensor, data]));
      for (const part of ['outputs', 'gradients'] as const)
        expect(worstError([tiled[part] as object as Numbers, dataOf(plain[part])]).error).toBeLessThan(
          12 * halfRounding,
        );
    });

  test('a step with its input is one dispatch; a layer of two directions takes its input apart', () => {
    const count = (T: number, stepwise?: 'words') => {
      const tape = new Tape({ software: false, training: false });
      record(tape, { T, B: 8, I: 8, H: 8 }, stepwise);
      return tape.dispatches.length;
    };
    expect(count(7, 'words') - count(6, 'words')).toBe(1);
    expect(count(7) - count(6)).toBe(1);
    const tape = new Tape({ software: false, training: false });
    record(tape, { T: 1, B: 8, I: 8, H: 8, D: 2 }, 'words');
    expect(tape.dispatches.map(({ shader }) => shader.name)).toContain('matmul-tiled');
  });

  /** A layer recorded without any device; by one forward step as if it went step by step. */
  function record(tape: Tape, { T, B, I, H, D = 1 }: Case, stepwise?: 'words') {
    const cell = cells.get({ cell: name });
    const rows = cell.gates * H;
    const input = { tensor: tape.tensor('x', [T, B, I]), column: 0, width: I };
    const layer = new RecurrentLayer(tape, {
      cell,
      label: name,
      steps: T,
      batch: B,
      hidden: H,
      inputs: [input],
      weights: Array.from({ length: D }, () => ({
        weightIh: tape.tensor('weightIh', [rows, I]),
        weightHh: tape.tensor('weightHh', [rows, H]),
        biasIh: tape.tensor('biasIh', [rows]),
        biasHh: tape.tensor('biasHh', [rows]),
      })),
    });
    if (!stepwise) layer.projectInput(input, 0, T);
    for (let step = 0; step < T; step++) {
      if (stepwise) layer.projectInput(input, step, step + 1);
      layer.forward(step, step + 1);
    }
  }

  test.each(['forward', 'backward'] as const)('%s has no data races', (entry) => {
    const info = shaderInfo(shader);
    const [T, B, H, I] = [3, 9, 6, 5];
    const size = 6 * T * B * H * 4;
    // A smaller tile, and constants in place of overrides: whoever looks for races knows numbers only.
    const constants: Named<number> = {
      ...{ across: 4, down: 2, depth: 4, sizeRows: 16, sizeWeights: 32 },
      withInput: entry === 'forward' ? 1 : 0,
    };
    const code = info.code
      .replaceAll('(across, down)', '(4, 2)')
      .replaceAll(
        /override (\w+): u32 = [^;]+;/g,
        (_, name: string) => `const ${name} = ${constants[name]}u;`,
      );
    const buffers = Object.fromEntries(
      Object.keys(info.entries[entry]!.bindings).map((binding) => [
        binding,
        binding === 'lengths' ? Uint32Array.from(cycle(B, 4)) : randomFloats(1, [size]).data,
      ]),
    );
    const params = {
      ...{ step: 1, steps: T, batch: B, hidden: H, width: H, reverse: 0 },
      ...{ hasInitial: 1, hasLengths: 1, hasUpstream: 1, hasCarry: 3 },
      ...{ inputWidth: I, inputOffset: 0, inputColumn: 0, inputWeightRow: I, inputAdds: 1 },
    };
    const check = { buffers, params, workgroups: [2, 2, 1] as const };
    expect(findRaces(info, entry, { ...check, code }).slice(0, 3)).toEqual([]);
    // Without barriers, and with a page too few.
    for (const wrong of [code.replaceAll('workgroupBarrier();', ''), code.replaceAll('next & 1u', '0u')])
      expect(findRaces(info, entry, { ...check, code: wrong })).not.toEqual([]);
  });
});

describe('the choice of a tile', () => {
  const gates = (batch: number, hidden: number, directions = 1) => {
    const sizes = { batch, hidden, directions };
    const tile = chooseTile('gates', sizes);
    return `${4 * tile.down}x${tile.across} ${tileGrid('gates', tile, sizes).join(' ')}`;
  };
  const units = (batch: number, hidden: number, directions = 1) => {
    const sizes = { batch, hidden, directions };
    const tile = chooseTile('units', sizes);
    return `${4 * tile.down}x${2 * tile.across} ${tileGrid('units', tile, sizes).join(' ')}`;
  };

  test('large tiles where there are enough of them and rows to fill them', () => {
    expect(gates(128, 1000)).toBe('64x16 63 2 1');
    expect(gates(128, 512, 2)).toBe('64x16 32 2 2');
    expect(gates(64, 1000)).toBe('64x8 125 1 1');
    expect(gates(32, 1000)).toBe('32x8 125 1 1');
    expect(gates(1, 1000)).toBe('32x8 125 1 1');
    expect(gates(64, 256)).toBe('16x8 32 4 1');
    expect(units(128, 1000)).toBe('32x32 32 4 1');
    expect(units(256, 1000)).toBe('64x32 32 4 1');
    expect(units(32, 1000)).toBe('16x16 63 2 1');
  });

  test.each<TileKind>(['gates', 'units'])(
    'every tile of %s keeps the portable limits and is whole',
    (kind) => {
      for (const { across, down, depth } of cellTiles(kind)) {
        const bytesOfWeights = kind === 'gates' ? 16 : 8;
        expect(across * down).toBeLessThanOrEqual(256);
        expect(2 * depth * (16 * down + bytesOfWeights * across)).toBeLessThanOrEqual(16384);
        for (const lines of [across, down]) expect(Math.log2(lines) % 1).toBe(0);
        for (const vectors of [depth / across, depth / down]) expect([1, 2, 4, 8]).toContain(vectors);
      }
    },
  );

  test('no layer has too many workgroups', () => {
    for (const kind of ['gates', 'units'] as const) {
      for (const [batch, hidden] of [
        [65_535, 1],
        [4096, 64],
        [512, 8192],
      ] as const) {
        const sizes = { batch, hidden, directions: 2 };
        expect(Math.max(...tileGrid(kind, chooseTile(kind, sizes), sizes))).toBeLessThanOrEqual(65_535);
      }
    }
  });
});
