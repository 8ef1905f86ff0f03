// C[z,i,j] = act((accumulate ? C[z,i,j] : 0) + sum_k A[z,i,k] B[z,k,j] + bias[j])   (naive, to be replaced)
struct Params {
  m: u32, n: u32, k: u32,
  aOffset: u32, aBatch: u32, aRow: u32, aCol: u32,
  bOffset: u32, bBatch: u32, bRow: u32, bCol: u32,
  cOffset: u32, cBatch: u32, cRow: u32,
  biasOffset: u32, hasBias: u32, accumulate: u32, activation: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let j = id.x;
  let i = id.y;
  let z = id.z;
  if (j >= params.n || i >= params.m) { return; }
  var sum = 0.0;
  for (var k = 0u; k < params.k; k++) {
    sum = fma(a[params.aOffset + z * params.aBatch + i * params.aRow + k * params.aCol],
              b[params.bOffset + z * params.bBatch + k * params.bRow + j * params.bCol], sum);
  }
  let place = params.cOffset + z * params.cBatch + i * params.cRow + j;
  if (params.accumulate == 1u) { sum += c[place]; }
  if (params.hasBias == 1u) { sum += bias[params.biasOffset + j]; }
  if (params.activation == 1u) { sum = 1.0 - 2.0 / (1.0 + exp(2.0 * clamp(sum, -15.0, 15.0))); }
  c[place] = sum;
}
