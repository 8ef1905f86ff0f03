// y[i] = value, for i < size.
//
//   y  [size]  written

struct Params {
  size: u32,
  stride: u32, // elements a row of the grid, for grids folded into y
  value: f32,
}

alias stored = f32; // or f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<stored>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * params.stride + id.x;
  if (i < params.size) {
    y[i] = stored(params.value);
  }
}
