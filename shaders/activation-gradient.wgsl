// dx[i] = dy[i] * act'(x[i]), with act' written in terms of y = act(x):
//   1 tanh: 1 - y²   2 relu: y > 0   3 sigmoid: y (1 - y)
//
// for start <= i < end.
//
//   y   [end]  read     the activated values
//   dy  [end]  read     gradient after the activation
//   dx  [end]  written  gradient before it

struct Params {
  start: u32,
  end: u32,
  activation: u32,
  stride: u32, // elements a row of the grid
}

alias stored = f32; // or f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<stored>;
@group(0) @binding(2) var<storage, read> dy: array<stored>;
@group(0) @binding(3) var<storage, read_write> dx: array<stored>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = params.start + id.y * params.stride + id.x;
  if (i >= params.end) {
    return;
  }
  let value = f32(y[i]);
  var slope = 1.0;
  if (params.activation == 1u) {
    slope = 1.0 - value * value;
  } else if (params.activation == 2u) {
    slope = select(0.0, 1.0, value > 0.0);
  } else if (params.activation == 3u) {
    slope = value * (1.0 - value);
  }
  dx[i] = stored(f32(dy[i]) * slope);
}
