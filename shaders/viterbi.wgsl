// The best tag sequence of each row under a linear-chain CRF (see crf.wgsl for its score), by Viterbi's algorithm.
//
//   v_0[j] = start[j] + e_0[j]
//   v_t[j] = max_i (v_{t-1}[i] + A[i,j]) - m_{t-1} + e_t[j]      with m_t = max_i v_t[i], pointer_t[j] = that i
//   score  = sum over t < L-1 of m_t + max_j (v_{L-1}[j] + end[j])
//
// The maximum is taken off at every step so that values, and with them what rounding does to the choices, do not grow
// with the length. Of equal ones the lower tag wins, from the last position to the first. `forward` is one step of all
// rows and runs once a step; `trace` follows the pointers back. A row's result depends neither on the other rows nor
// on how far it is padded.
//
//   emissions    [T, B, C]      read
//   lengths      [B] u32        read; at most T counts
//   transitions  [C, C]         read: A[i,j] is the score of j after i
//   start, end   [C]            read
//   best         [2, B, C]      v of even and of odd steps; a row's stays when the row is over
//   pointers     [T, B, C] u32  forward to trace; those of step 0 are not used
//   scores       [B]            summed by forward, finished by trace; 0 of a row of length 0
//   path         [T, B] u32     written by trace; 0 from a row's length on

struct Params {
  steps: u32, // T
  batch: u32, // B
  tags: u32, // C
  step: u32, // of forward
  stride: u32, // elements a row of the grid
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> emissions: array<f32>;
@group(0) @binding(2) var<storage, read> lengths: array<u32>;
@group(0) @binding(3) var<storage, read> transitions: array<f32>;
@group(0) @binding(4) var<storage, read> start: array<f32>;
@group(0) @binding(5) var<storage, read> end: array<f32>;
@group(0) @binding(6) var<storage, read_write> best: array<f32>;
@group(0) @binding(7) var<storage, read_write> pointers: array<u32>;
@group(0) @binding(8) var<storage, read_write> scores: array<f32>;
@group(0) @binding(9) var<storage, read_write> path: array<u32>;

const lowest = -3.4e38;

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * params.stride + id.x; // row * C + tag
  let size = params.batch * params.tags;
  if (index >= size) {
    return;
  }
  let row = index / params.tags;
  let tag = index % params.tags;
  let t = params.step;
  if (t >= lengths[row]) {
    return;
  }
  let emission = emissions[t * size + index];
  if (t == 0u) {
    best[index] = start[tag] + emission;
    if (tag == 0u) {
      scores[row] = 0.0;
    }
    return;
  }
  let before = ((t - 1u) % 2u) * size + row * params.tags;
  var peak = lowest;
  var largest = lowest;
  var choice = 0u;
  for (var i = 0u; i < params.tags; i++) {
    let value = best[before + i];
    peak = max(peak, value);
    let sum = value + transitions[i * params.tags + tag];
    if (sum > largest) {
      largest = sum;
      choice = i;
    }
  }
  best[(t % 2u) * size + index] = (largest - peak) + emission;
  pointers[t * size + index] = choice;
  if (tag == 0u) {
    scores[row] += peak;
  }
}

@compute @workgroup_size(64)
fn trace(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y * params.stride + id.x;
  if (row >= params.batch) {
    return;
  }
  let length = min(lengths[row], params.steps);
  for (var t = length; t < params.steps; t++) {
    path[t * params.batch + row] = 0u;
  }
  if (length == 0u) {
    scores[row] = 0.0;
    return;
  }
  let size = params.batch * params.tags;
  let last = ((length - 1u) % 2u) * size + row * params.tags;
  var largest = lowest;
  var choice = 0u;
  for (var j = 0u; j < params.tags; j++) {
    let sum = best[last + j] + end[j];
    if (sum > largest) {
      largest = sum;
      choice = j;
    }
  }
  scores[row] += largest;
  for (var t = length - 1u; t > 0u; t--) {
    path[t * params.batch + row] = choice;
    choice = pointers[t * size + row * params.tags + choice];
  }
  path[row] = choice;
}
