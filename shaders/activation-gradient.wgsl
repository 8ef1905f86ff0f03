// dx[i] = dy[i] * act'(x[i]), with act' written in terms of y = act(x):
//   1 tanh: 1 - y²   2 relu: y > 0   3 sigmoid: y (1 - y)
//
// for start <= i < end. `fours` does it by 16 bytes: there i counts fours of elements.
//
//   y   [end]  read     the activated values
//   dy  [end]  read     gradient after the activation
//   dx  [end]  written  gradient before it

struct Params {
  start: u32,
  end: u32,
  stride: u32, // of i, a row of the grid
}

alias stored = f32; // or f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<stored>;
@group(0) @binding(2) var<storage, read> dy: array<stored>;
@group(0) @binding(3) var<storage, read_write> dx: array<stored>;
@group(0) @binding(4) var<storage, read> yFours: array<vec4<stored>>;
@group(0) @binding(5) var<storage, read> dyFours: array<vec4<stored>>;
@group(0) @binding(6) var<storage, read_write> dxFours: array<vec4<stored>>;

override activation: u32 = 1;

fn slope(value: vec4f) -> vec4f {
  if (activation == 1u) {
    return vec4f(1.0) - value * value;
  }
  if (activation == 2u) {
    return select(vec4f(0.0), vec4f(1.0), value > vec4f(0.0));
  }
  return value * (vec4f(1.0) - value);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = params.start + id.y * params.stride + id.x;
  if (i < params.end) {
    dx[i] = stored(f32(dy[i]) * slope(vec4f(f32(y[i]))).x);
  }
}

@compute @workgroup_size(64)
fn fours(@builtin(global_invocation_id) id: vec3u) {
  let i = params.start + id.y * params.stride + id.x;
  if (i < params.end) {
    dxFours[i] = vec4<stored>(vec4f(dyFours[i]) * slope(vec4f(yFours[i])));
  }
}
