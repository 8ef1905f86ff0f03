// Luong's concat score, v . tanh(q + k), for projected queries q = W_q h and keys k = W_c m, and its gradients. The
// sums [T, B, S, A] exist only in registers; they are computed anew where a gradient needs them.
//
//   forward   scores[t,b,s] = sum_a v[a] tanh(q[t,b,a] + k[s,b,a])       0 for s >= lengths[b]
//   query     dq[t,b,a] = sum_s g[t,b,s,a]      with u = tanh(q + k) and g = dScores[t,b,s] v[a] (1 - u u)
//   keys      dk[s,b,a] = sum_t g[t,b,s,a] and dvPart[s,b,a] = sum_t dScores[t,b,s] u, over all t
//
// A lane owns one element of the result and sums in order, without barriers, which software adapters pay dearly. The
// sum of dvPart over (s, b) is the gradient of v. dScores must be 0 for s >= lengths[b].
//
//   q, dq       [T, B, A]
//   k, dk       [S, B, A]
//   v           [A]
//   scores      [T, B, S]  written
//   dScores     [T, B, S]  read
//   dvPart      [S, B, A]  written
//   lengths     [B] u32
// No buffer may be given twice.

struct Params {
  start: u32, // the dispatch's first step t, of keys: first source s
  end: u32, // the one after its last
  steps: u32, // T
  batch: u32,
  sources: u32, // S
  units: u32, // A
  accumulate: u32, // of keys: add to dk
  stride: u32, // of forward: elements a row of the grid
}

alias stored = f32; // or f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<stored>;
@group(0) @binding(2) var<storage, read> k: array<stored>;
@group(0) @binding(3) var<storage, read> v: array<f32>;
@group(0) @binding(4) var<storage, read> lengths: array<u32>;
@group(0) @binding(5) var<storage, read_write> scores: array<f32>;
@group(0) @binding(6) var<storage, read> dScores: array<f32>;
@group(0) @binding(7) var<storage, read_write> dq: array<stored>;
@group(0) @binding(8) var<storage, read_write> dk: array<stored>;
@group(0) @binding(9) var<storage, read_write> dvPart: array<f32>;

const lanes = 64u;

@compute @workgroup_size(lanes)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let place = params.start * params.batch * params.sources + id.y * params.stride + id.x;
  let row = place / params.sources;
  if (row >= params.end * params.batch) {
    return;
  }
  let b = row % params.batch;
  let s = place % params.sources;
  var sum = 0.0;
  if (s < lengths[b]) {
    let mine = row * params.units;
    let key = (s * params.batch + b) * params.units;
    for (var a = 0u; a < params.units; a++) {
      sum = fma(v[a], tanh_accurate(f32(q[mine + a]) + f32(k[key + a])), sum);
    }
  }
  scores[place] = sum;
}

@compute @workgroup_size(lanes)
fn query(@builtin(global_invocation_id) id: vec3u) {
  let a = id.x;
  let b = id.y;
  if (a >= params.units) {
    return;
  }
  let row = (params.start + id.z) * params.batch + b;
  let length = min(lengths[b], params.sources);
  let mine = f32(q[row * params.units + a]);
  var sum = 0.0;
  for (var s = 0u; s < length; s++) {
    let u = tanh_accurate(mine + f32(k[(s * params.batch + b) * params.units + a]));
    sum += dScores[row * params.sources + s] * (1.0 - u * u);
  }
  dq[row * params.units + a] = stored(v[a] * sum);
}

@compute @workgroup_size(lanes)
fn keys(@builtin(global_invocation_id) id: vec3u) {
  let a = id.x;
  let b = id.y;
  let s = params.start + id.z;
  if (a >= params.units) {
    return;
  }
  let place = (s * params.batch + b) * params.units + a;
  var sum = 0.0;
  var sumV = 0.0;
  if (s < lengths[b]) {
    let mine = f32(k[place]);
    for (var t = 0u; t < params.steps; t++) {
      let row = t * params.batch + b;
      let u = tanh_accurate(f32(q[row * params.units + a]) + mine);
      let upstream = dScores[row * params.sources + s];
      sum += upstream * (1.0 - u * u);
      sumV += upstream * u;
    }
  }
  sum *= v[a];
  if (params.accumulate == 1u) {
    sum += f32(dk[place]);
  }
  dk[place] = stored(sum);
  dvPart[place] = sumV;
}

fn tanh_accurate(x: f32) -> f32 {
  let square = x * x;
  let small = fma(x * square, fma(fma(fma(fma(-5.70498872745e-3, square, 2.06390887954e-2), square,
    -5.37397155531e-2), square, 1.33314422036e-1), square, -3.33332819422e-1), x);
  let large = 1.0 - 2.0 / (1.0 + exp(2.0 * min(abs(x), 10.0)));
  return select(sign(x) * large, small, abs(x) < 0.6);
}
