/** A shader of one's own: read from its text as the generator reads `shaders/`, and checked as they are. */
import { expect, test } from 'vitest';
import { KernelError, ShapeError } from '../../src/errors.ts';
import { defineShader } from '../../src/gpu/define-shader.ts';
import { type ShaderInfo, shaderInfo, shaderNames } from '../../src/gpu/shader.ts';
import { evaluate } from '../../src/ops/evaluate.ts';
import type { Tape } from '../../src/scheduler/tape.ts';
import type { Tensor } from '../../src/scheduler/tensor.ts';
import { testGpu } from '../setup/gpu.ts';

const scaleCode = `
struct Params { size: u32, factor: f32, } // one line is enough
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage> x: array<f32>;
/* @group(0) @binding(4) var<storage, read> unused: array<f32>; */
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.size) { y[id.x] = params.factor * x[id.x]; }
}
`;

function scale(
  tape: Tape,
  x: Tensor,
  shader = defineShader('scale', scaleCode, { main: ['x', 'y'] }),
): Tensor {
  const y = tape.tensor('y', x.shape);
  tape.dispatch(shader, 'main', {
    bindings: { x, y },
    params: { size: x.size, factor: 3 },
    workgroups: [Math.ceil(x.size / 64)],
  });
  return y;
}

const x = { data: Float32Array.of(1, -2, 4), shape: [3] };

test('every shader of the package is read as wgsl_reflect reads it', () => {
  for (const name of shaderNames()) {
    const { code, params, paramsBytes, overrides, entries } = shaderInfo(name);
    const names = Object.entries(entries).map(
      ([entry, { bindings }]) => [entry, Object.keys(bindings)] as const,
    );
    const own: ShaderInfo = defineShader(`my-${name}`, code, Object.fromEntries(names));
    expect({ params: own.params, paramsBytes: own.paramsBytes, overrides: own.overrides }, name).toEqual({
      params,
      paramsBytes,
      overrides,
    });
    for (const [entry, { bindings }] of Object.entries(entries)) {
      expect(own.entries[entry]!.bindings, `${name}/${entry}`).toEqual(bindings);
    }
  }
});

test('runs beside the others; two of one name are two', async () => {
  const negative = scaleCode.replace('params.factor *', '-params.factor *');
  const { outputs } = await evaluate(await testGpu(), { x }, (tape, { x }) => ({
    positive: scale(tape, x),
    negative: scale(tape, x, defineShader('scale', negative, { main: ['x', 'y'] })),
  }));
  expect([...outputs.positive.data]).toEqual([3, -6, 12]);
  expect([...outputs.negative.data]).toEqual([-3, 6, -12]);
});

test('what the text lacks or may not have is said when it is defined', () => {
  const define =
    (code: string, bindings = ['x', 'y'], name = 'scale') =>
    () =>
      defineShader(name, code, { main: bindings });
  expect(define(scaleCode, ['x', 'z'])).toThrow(
    new KernelError("the shader 'scale' declares no storage buffer 'z'"),
  );
  expect(define(scaleCode, ['unused'])).toThrow(/'unused'/);
  expect(define(scaleCode, ['x', 'y'], 'copy')).toThrow(/'copy' has the name/);
  expect(define(scaleCode.replace('factor: f32', 'factor: vec2f'))).toThrow(/'factor: vec2f' that is no u32/);
  expect(define(scaleCode.replace('> params:', '> options:'))).toThrow(/must call its uniform/);
  expect(define(scaleCode.replace('struct Params', 'struct Other'))).toThrow(/has no struct Params/);
  const second = '@group(0) @binding(5) var<uniform> more: Params;';
  expect(define(scaleCode + second)).toThrow(/more than one uniform/);
});

test('what the text does wrong is said when a plan is built, by the name of the shader', async () => {
  const gpu = await testGpu();
  const run = (shader: ReturnType<typeof defineShader<{ main: ['x', 'y'] }>>) =>
    evaluate(gpu, { x }, (tape, { x }) => ({ y: scale(tape, x, shader) }));
  const broken = defineShader('scale', scaleCode.replace('params.factor *', 'params.size *'), {
    main: ['x', 'y'],
  });
  await expect(run(broken)).rejects.toThrow(/^the shader 'scale' does not compile\n {2}line 10:/);
  // `y` is not listed among the entry's bindings.
  const partial = defineShader('scale', scaleCode, { main: ['x'] });
  await expect(run(partial as never)).rejects.toThrow(/^the shader 'scale', entry 'main'/);
});

test('a buffer or a value that is not given is missed by name', async () => {
  const gpu = await testGpu();
  const shader = defineShader('scale', scaleCode, { main: ['x', 'y'] });
  const run = (record: (tape: Tape, x: Tensor, y: Tensor) => void) =>
    evaluate(gpu, { x }, (tape, { x }) => {
      const y = tape.tensor('y', x.shape);
      record(tape, x, y);
      return { y };
    });
  const rest = { params: { size: 3, factor: 1 }, workgroups: [1] } as const;
  await expect(
    run((tape, x) => {
      // @ts-expect-error: the entry's bindings are known to the compiler
      tape.dispatch(shader, 'main', { ...rest, bindings: { x } });
    }),
  ).rejects.toThrow(new ShapeError("scale/main: no tensor given for 'y'"));
  await expect(
    run((tape, x, y) => {
      tape.dispatch(shader, 'main', { ...rest, bindings: { x, y }, params: { size: 3 } });
    }),
  ).rejects.toThrow(new ShapeError("scale/main: no value given for 'factor'"));
});
