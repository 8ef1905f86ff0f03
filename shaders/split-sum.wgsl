// The second pass of a product whose sum over k was cut in parts: adds up what each part came to.
//   C[i,j] = (accumulate ? C[i,j] : 0) + sum_s sums[s,i,j]
//
//   sums  [S, M, N]  read
//   c     [M, N]     element (i, j) at cOffset + i cRow + j; written, read where accumulate = 1
// They share no buffer. The parts are added in order, one after the other; then comes C.

struct Params {
  m: u32,
  n: u32,
  count: u32, // S
  cOffset: u32,
  cRow: u32,
  accumulate: u32,
  stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let size = params.m * params.n;
  let element = id.y * params.stride + id.x;
  if (element >= size) {
    return;
  }
  var sum = sums[element];
  for (var s = 1u; s < params.count; s++) {
    sum += sums[s * size + element];
  }
  let at = params.cOffset + element / params.n * params.cRow + element % params.n;
  if (params.accumulate == 1u) {
    sum += c[at];
  }
  c[at] = sum;
}
