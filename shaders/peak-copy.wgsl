// What memory costs when nothing else does: y[i] = x[i], for whole workgroups. Benchmarks measure the device's bandwidth
// with it. Invocations that run side by side touch neighbours; each copies several elements, so that starting it is cheap
// beside them. `vectors` moves 16 bytes at a time, `scalars` 4: which is faster is the device's business.
//
//   x, y              [size]      of scalars: f32, size a multiple of 512
//   xVectors, yVectors [size / 4]  the same memory for vectors: size a multiple of 2048
// No buffer may be given twice.

struct Params {
  stride: u32, // workgroups a row of the grid, for grids folded into y
  groups: u32, // workgroups in all
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> xVectors: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> yVectors: array<vec4f>;

const perInvocation = 8u;
const lanes = 64u;

@compute @workgroup_size(lanes)
fn vectors(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = group.y * params.stride + group.x;
  if (index >= params.groups) {
    return;
  }
  let first = index * lanes * perInvocation + lane;
  for (var i = 0u; i < perInvocation; i++) {
    yVectors[first + i * lanes] = xVectors[first + i * lanes];
  }
}

@compute @workgroup_size(lanes)
fn scalars(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = group.y * params.stride + group.x;
  if (index >= params.groups) {
    return;
  }
  let first = index * lanes * perInvocation + lane;
  for (var i = 0u; i < perInvocation; i++) {
    y[first + i * lanes] = x[first + i * lanes];
  }
}
