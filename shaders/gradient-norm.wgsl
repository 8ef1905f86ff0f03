// The norm of all gradients together, and from it what the optimiser multiplies them by:
//
//   norm = sqrt(sum g²)      coefficient = min(1, maxNorm / (norm + 1e-6)), 1 where maxNorm = 0 (no clipping)
//
// as torch.nn.utils.clip_grad_norm_. Where a gradient, the sum of squares or the losses' sum is not finite the coefficient
// is 0 and the optimiser is told to change nothing. That is tested on the bits, because a compiler may assume NaN away.
// `partial` runs once a segment: every workgroup adds up the squares of its share; -1 stands for "not finite".
// `finish` (one workgroup) adds up the partial sums of all segments. All sums have an order fixed by the sizes.
//
// `finish_scaled` does so for gradients that are `scale` times too large, as mixed precision makes them (Micikevicius et
// al. 2018, "Mixed precision training"): norm and coefficient are those of the gradients without it. Where a gradient is
// not finite the scale was too large and is halved; after `patience` updates in a row that were made it is doubled. Powers
// of two change no bit of a result, so the inverse is kept beside the scale instead of being divided by. Once there is
// nothing left to halve, or where it is the loss that is not finite, the update counts as left out.
//
//   gradients   [size]   read; a multiple of 4
//   partials    [count]  written by partial from `offset` on, read by finish
//   update      [4]      written: norm, coefficient, 1 where the update is to be left out (else 0), 0
//   statistics  [8]      [0] read: the losses' sum; [4] += norm and [5] += 1, or [6] += 1 where the update is left out;
//                        of finish_scaled [7] += 1 instead where a smaller scale may help
//   lossScale   [4]      of finish_scaled, updated: scale, 1 / scale, updates made since it changed, 0

struct Params {
  size: u32, // in vec4
  groups: u32, // workgroups of this segment
  offset: u32, // of the segment's first partial sum
  count: u32, // of the partial sums of all segments
  maxNorm: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradients: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
@group(0) @binding(3) var<storage, read_write> update: array<f32>;
@group(0) @binding(4) var<storage, read_write> statistics: array<f32>;
@group(0) @binding(5) var<storage, read_write> lossScale: array<f32>;

const lanes = 64u;
const smallestScale = 1.0;
const largestScale = 16777216.0; // 2^24
const patience = 2000.0;
const infinity = 0x7f800000u; // exponent bits all set: infinity or NaN
var<workgroup> sums: array<f32, lanes>;
var<workgroup> bad: array<u32, lanes>;

@compute @workgroup_size(lanes)
fn partial(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  var squares = vec4f(0.0);
  var broken = 0u;
  for (var i = group.x * lanes + local.x; i < params.size; i += params.groups * lanes) {
    let bits = gradients[i];
    let g = bitcast<vec4f>(bits);
    squares += g * g;
    broken |= u32(any((bits & vec4u(infinity)) == vec4u(infinity)));
  }
  sums[local.x] = (squares.x + squares.y) + (squares.z + squares.w);
  bad[local.x] = broken;
  workgroupBarrier();
  if (local.x == 0u) {
    var sum = 0.0;
    for (var lane = 0u; lane < lanes; lane++) {
      sum += sums[lane];
      broken |= bad[lane];
    }
    partials[params.offset + group.x] = select(sum, -1.0, broken == 1u);
  }
}

@compute @workgroup_size(lanes)
fn finish(@builtin(local_invocation_id) local: vec3u) {
  let sum = add_up(local.x); // as bits
  if (local.x != 0u) {
    return;
  }
  if (!is_finite(sum) || !is_finite(bitcast<u32>(statistics[0]))) {
    leave_out();
    statistics[6] += 1.0;
  } else {
    let norm = sqrt(bitcast<f32>(sum));
    make(norm, coefficient(norm));
  }
}

@compute @workgroup_size(lanes)
fn finish_scaled(@builtin(local_invocation_id) local: vec3u) {
  let sum = add_up(local.x); // as bits
  if (local.x != 0u) {
    return;
  }
  let scale = lossScale[0];
  let inverse = lossScale[1];
  let lossIsFinite = is_finite(bitcast<u32>(statistics[0]));
  if (!is_finite(sum) || !lossIsFinite) {
    leave_out();
    if (lossIsFinite && scale > smallestScale) {
      statistics[7] += 1.0;
      lossScale[0] = scale * 0.5;
      lossScale[1] = inverse * 2.0;
    } else {
      statistics[6] += 1.0;
    }
    lossScale[2] = 0.0;
    return;
  }
  let norm = sqrt(bitcast<f32>(sum)) * inverse;
  make(norm, coefficient(norm) * inverse);
  let made = lossScale[2] + 1.0;
  lossScale[2] = made;
  if (made >= patience) {
    lossScale[2] = 0.0;
    if (scale < largestScale) {
      lossScale[0] = scale * 2.0;
      lossScale[1] = inverse * 0.5;
    }
  }
}

// The bits of the sum of all partial sums, in lane 0: infinity where one of them stands for "not finite".
fn add_up(lane: u32) -> u32 {
  var sum = 0.0;
  var broken = 0u;
  for (var i = lane; i < params.count; i += lanes) {
    let part = partials[i];
    broken |= u32(part < 0.0);
    sum += part;
  }
  sums[lane] = sum;
  bad[lane] = broken;
  workgroupBarrier();
  if (lane == 0u) {
    sum = 0.0;
    for (var other = 0u; other < lanes; other++) {
      sum += sums[other];
      broken |= bad[other];
    }
  }
  return select(bitcast<u32>(sum), infinity, broken == 1u);
}

fn is_finite(bits: u32) -> bool {
  return (bits & infinity) != infinity;
}

fn coefficient(norm: f32) -> f32 {
  return select(1.0, min(1.0, params.maxNorm / (norm + 1e-6)), params.maxNorm > 0.0);
}

fn leave_out() {
  update[0] = 0.0;
  update[1] = 0.0;
  update[2] = 1.0;
  update[3] = 0.0;
}

fn make(norm: f32, factor: f32) {
  update[0] = norm;
  update[1] = factor;
  update[2] = 0.0;
  update[3] = 0.0;
  statistics[4] += norm;
  statistics[5] += 1.0;
}
