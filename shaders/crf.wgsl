// Negative log-likelihood of a linear-chain conditional random field (Lafferty et al. 2001; with learned emissions
// Lample et al. 2016) and its gradients. For the tags y of a row of length L
//
//   score(y) = start[y_0] + sum_t e_t[y_t] + sum_{t>0} A[y_{t-1}, y_t] + end[y_{L-1}]
//   nll = log Z - score(gold)                           Z = the sum of exp(score(y)) over all C^L sequences y
//
// The forward algorithm, with x_t = l_t + e_t and m_t = max_i x_t[i]:
//
//   l_0[j] = start[j]      l_t[j] = log sum_i exp(x_{t-1}[i] + A[i,j]) - m_{t-1}
//   log Z = sum_t m_t + norm                            norm = log sum_j exp(x_{L-1}[j] + end[j] - m_{L-1})
//
// Each step's maximum is taken off, so that no value grows with the length, and the gold score is subtracted step by
// step (m_t - gain_t), so that a small loss is not the difference of two large numbers. x_t - m_t is always rounded in
// the same way, so that the xi of a tag at t add up to its p, and p is divided by its sum at every step: over a long
// row nothing drifts.
//
// Going back, p_t[j] is the probability of tag j at t, xi_t[i,j] that of i at t - 1 and j at t. What is likely at t - 1
// given the tag at t does not depend on what follows, so the l of the forward algorithm are enough:
//
//   p_{L-1}[j] = exp(x_{L-1}[j] + end[j] - m_{L-1} - norm)
//   xi_t[i,j] = p_t[j] exp(x_{t-1}[i] - m_{t-1} + A[i,j] - l_t[j])      p_{t-1}[i] = sum_j xi_t[i,j]
//   d nll / d e_t[j] = p_t[j] - [y_t = j]               of start at t = 0 and of end at L - 1 the same
//   d nll / d A[i,j] = sum_{t>0} xi_t[i,j] - [y_{t-1} = i, y_t = j]
//
// A tag that is not below C, a label that training never saw, stands for the tag of the largest emission there (the
// lower one of equals) and never counts as correct. Where an emission or a parameter in use is not finite the loss is
// not either, whatever max and exp make of it.
//
// Order: `gold`, `forward` once a step, `finish`, `count`; then `backward` once a step from the last to the first,
// `pairs`, `slopes`, `ends`. A row's numbers depend neither on the other rows nor on how far it is padded.
//
//   emissions    [T, B, C]      read
//   tags         [T, B] u32     read
//   lengths      [B] u32        read; at most T counts
//   transitions  [C, C]         read: A[i,j] is the score of j after i
//   start, end   [C]            read
//   golden       [T, B] u32     written by gold: y, C from the length on
//   gains        [T, B]         gold to finish: what a position adds to score(gold); `end` belongs to the last one
//   arrivals     [T, B, C]      l
//   peaks        [T, B]         m, written by the step after and by finish
//   norms        [B]            norm
//   path         [T, B] u32     read by count: Viterbi's tags
//   terms        [B]            nll, nll, L, right tags in `path`: zeros of a row of length 0
//   marginals    [T, B, C]      p, 0 from the length on; slopes makes it scale * d nll / d e
//   scale        [1]            read
//   partial      [B, C, C]      each row's part of scale * d nll / d A
//   dEnd         [C]            written by ends, or added to where accumulate = 1

struct Params {
  steps: u32, // T
  batch: u32, // B
  tags: u32, // C
  step: u32, // of forward and backward; the first one of pairs
  stop: u32, // of pairs: the step after its last
  accumulate: u32, // of pairs and ends
  stride: u32, // elements a row of the grid
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> emissions: array<f32>;
@group(0) @binding(2) var<storage, read> tags: array<u32>;
@group(0) @binding(3) var<storage, read> lengths: array<u32>;
@group(0) @binding(4) var<storage, read> transitions: array<f32>;
@group(0) @binding(5) var<storage, read> start: array<f32>;
@group(0) @binding(6) var<storage, read> end: array<f32>;
@group(0) @binding(7) var<storage, read_write> golden: array<u32>;
@group(0) @binding(8) var<storage, read_write> gains: array<f32>;
@group(0) @binding(9) var<storage, read_write> arrivals: array<f32>;
@group(0) @binding(10) var<storage, read_write> peaks: array<f32>;
@group(0) @binding(11) var<storage, read_write> norms: array<f32>;
@group(0) @binding(12) var<storage, read> path: array<u32>;
@group(0) @binding(13) var<storage, read_write> terms: array<vec4f>;
@group(0) @binding(14) var<storage, read_write> marginals: array<f32>;
@group(0) @binding(15) var<storage, read> scale: array<f32>;
@group(0) @binding(16) var<storage, read_write> partial: array<f32>;
@group(0) @binding(17) var<storage, read_write> dEnd: array<f32>;

const lowest = -3.4e38;
const infinity = 0x7f800000u; // exponent bits all set: infinity or NaN

// exp of x <= 0, down to where products of it could become subnormal, which is slow on CPUs: 1.8e-35 stands for less.
fn decay(x: f32) -> f32 {
  return exp(max(x, -80.0));
}

fn is_finite(x: f32) -> bool {
  return (bitcast<u32>(x) & infinity) != infinity;
}

// m: the largest x of the C from `first` on.
fn highest(first: u32) -> f32 {
  var peak = lowest;
  for (var i = 0u; i < params.tags; i++) {
    peak = max(peak, arrivals[first + i] + emissions[first + i]);
  }
  return peak;
}

// The tag at `place` = t * B + row, or what stands for it.
fn known_tag(place: u32) -> u32 {
  let tag = tags[place];
  if (tag < params.tags) {
    return tag;
  }
  var choice = 0u;
  var largest = lowest;
  for (var j = 0u; j < params.tags; j++) {
    let emission = emissions[place * params.tags + j];
    if (emission > largest) {
      largest = emission;
      choice = j;
    }
  }
  return choice;
}

@compute @workgroup_size(64)
fn gold(@builtin(global_invocation_id) id: vec3u) {
  let place = id.y * params.stride + id.x;
  if (place >= params.steps * params.batch) {
    return;
  }
  let t = place / params.batch;
  let length = min(lengths[place % params.batch], params.steps);
  if (t >= length) {
    golden[place] = params.tags;
    gains[place] = 0.0;
    return;
  }
  let tag = known_tag(place);
  var gain = emissions[place * params.tags + tag];
  if (t == 0u) {
    gain += start[tag];
  } else {
    gain += transitions[known_tag(place - params.batch) * params.tags + tag];
  }
  if (t + 1u == length) {
    gain += end[tag];
  }
  golden[place] = tag;
  gains[place] = gain;
}

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
  if (t == 0u) {
    arrivals[index] = start[tag];
    return;
  }
  let before = (t - 1u) * size + row * params.tags;
  let peak = highest(before);
  var largest = lowest;
  var total = 0.0;
  for (var i = 0u; i < params.tags; i++) {
    let way = arrivals[before + i] + emissions[before + i] - peak + transitions[i * params.tags + tag];
    largest = max(largest, way);
    total += way;
  }
  var sum = 0.0;
  for (var i = 0u; i < params.tags; i++) {
    let way = arrivals[before + i] + emissions[before + i] - peak + transitions[i * params.tags + tag];
    sum += decay(way - largest);
  }
  arrivals[t * size + index] = select(total, largest + log(sum), is_finite(total));
  if (tag == 0u) {
    peaks[(t - 1u) * params.batch + row] = peak;
  }
}

@compute @workgroup_size(64)
fn finish(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y * params.stride + id.x;
  if (row >= params.batch) {
    return;
  }
  let length = min(lengths[row], params.steps);
  if (length == 0u) {
    norms[row] = 0.0;
    terms[row] = vec4f(0.0);
    return;
  }
  let place = (length - 1u) * params.batch + row;
  let last = place * params.tags;
  let peak = highest(last);
  var largest = lowest;
  var total = 0.0;
  for (var j = 0u; j < params.tags; j++) {
    let way = arrivals[last + j] + emissions[last + j] - peak + end[j];
    largest = max(largest, way);
    total += way;
  }
  var sum = 0.0;
  for (var j = 0u; j < params.tags; j++) {
    sum += decay(arrivals[last + j] + emissions[last + j] - peak + end[j] - largest);
  }
  let norm = largest + log(sum);
  norms[row] = norm;
  peaks[place] = peak;
  var nll = 0.0;
  for (var t = 0u; t < length; t++) {
    nll += peaks[t * params.batch + row] - gains[t * params.batch + row];
  }
  nll = select(total, nll + norm, is_finite(total));
  terms[row] = vec4f(nll, nll, f32(length), 0.0);
}

@compute @workgroup_size(64)
fn count(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y * params.stride + id.x;
  if (row >= params.batch) {
    return;
  }
  let length = min(lengths[row], params.steps);
  var right = 0u;
  for (var t = 0u; t < length; t++) {
    let place = t * params.batch + row;
    right += select(0u, 1u, tags[place] == path[place]);
  }
  terms[row].w = f32(right);
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * params.stride + id.x; // row * C + tag
  let size = params.batch * params.tags;
  if (index >= size) {
    return;
  }
  let row = index / params.tags;
  let tag = index % params.tags;
  let t = params.step;
  let length = min(lengths[row], params.steps);
  let place = t * size + index;
  if (t >= length) {
    marginals[place] = 0.0;
    return;
  }
  let x = arrivals[place] + emissions[place] - peaks[t * params.batch + row];
  if (t + 1u == length) {
    marginals[place] = decay(x + end[tag] - norms[row]);
    return;
  }
  let after = (t + 1u) * size + row * params.tags;
  var sum = 0.0;
  var total = 0.0; // 1 up to rounding
  for (var j = 0u; j < params.tags; j++) {
    let probability = marginals[after + j];
    total += probability;
    sum += probability * decay(x + transitions[tag * params.tags + j] - arrivals[after + j]);
  }
  marginals[place] = sum / total;
}

@compute @workgroup_size(64)
fn pairs(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * params.stride + id.x; // (row * C + i) * C + j
  if (index >= params.batch * params.tags * params.tags) {
    return;
  }
  let j = index % params.tags;
  let i = index / params.tags % params.tags;
  let row = index / params.tags / params.tags;
  let transition = transitions[i * params.tags + j];
  let factor = scale[0];
  var sum = 0.0;
  if (params.accumulate == 1u) {
    sum = partial[index];
  }
  for (var t = params.step; t < params.stop; t++) {
    let here = t * params.batch + row;
    let before = here - params.batch;
    let tag = golden[here];
    if (tag == params.tags) {
      break; // the row is over
    }
    let x = arrivals[before * params.tags + i] + emissions[before * params.tags + i] - peaks[before];
    let to = here * params.tags + j;
    let probability = marginals[to] * decay(x + transition - arrivals[to]);
    let observed = select(0.0, 1.0, tag == j && golden[before] == i);
    sum += (probability - observed) * factor;
  }
  partial[index] = sum;
}

@compute @workgroup_size(64)
fn slopes(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * params.stride + id.x;
  if (index >= params.steps * params.batch * params.tags) {
    return;
  }
  let observed = select(0.0, 1.0, golden[index / params.tags] == index % params.tags);
  marginals[index] = (marginals[index] - observed) * scale[0];
}

@compute @workgroup_size(64)
fn ends(@builtin(global_invocation_id) id: vec3u) {
  let tag = id.x;
  if (tag >= params.tags) {
    return;
  }
  var sum = 0.0;
  for (var row = 0u; row < params.batch; row++) {
    let length = min(lengths[row], params.steps);
    if (length > 0u) {
      sum += marginals[((length - 1u) * params.batch + row) * params.tags + tag];
    }
  }
  if (params.accumulate == 1u) {
    sum += dEnd[tag];
  }
  dEnd[tag] = sum;
}
