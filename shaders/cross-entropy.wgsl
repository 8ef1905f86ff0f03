// Softmax cross-entropy of N rows over a vocabulary of V, a chunk of columns at a time. With x = logits + bias,
// t = the row's target and s = smoothing (PyTorch's label_smoothing: even over all V, the target among them):
//
//   nll = log sum_v exp(x_v) - x_t
//   loss = (1 - s) nll + s mean_v(log sum_u exp(x_u) - x_v)
//   d loss / d x_v = p_v - (1 - s) [v = t] - s / V       with p = softmax(x)
//
// With weights w of the classes (PyTorch's `weight`, W their sum) nll stays as it is, and
//
//   loss = (1 - s) w_t nll + s / V sum_v w_v (log sum_u exp(x_u) - x_v)
//   d loss / d x_v = (1 - s) w_t (p_v - [v = t]) + s / V (W p_v - w_v)
//
// Rows whose target is `ignored` have loss 0 and gradient 0; where an x is not finite the loss is not either, whatever
// max and exp make of it (the gradient may be: the loss decides whether an update is made). `scan` runs once a chunk, in
// the order of the vocabulary: 32 lanes a row, lane l reading the columns v = l modulo 32 and keeping a running maximum
// and a sum of exponentials relative to it. What a lane adds up, and in which order, thus depends on the row alone, not
// on N or the chunks.
// `finish` joins the lanes of a row in order, `reduce` adds up the rows. `gradient` overwrites a chunk's logits.
//
//   logits      [N, width]  read in scan, overwritten by d loss / d x * scale in gradient
//   bias        [V]         read where hasBias = 1
//   targets     [N]         read
//   classWeights [V]        read where hasClassWeights = 1
//   weightSum   [1]         read where hasClassWeights = 1: their sum
//   lanes       [N, 32]     scan to finish: maximum, sum of exp(x - maximum), sum of (w) x, column of the maximum
//   picked      [N]         scan to finish: x_t
//   softmax     [N]         finish to gradient: maximum, 1 / sum of exp(x - maximum)
//   terms       [N]         finish to reduce: loss, nll, 1, 1 where the target has the largest x (the first of equals)
//   scale       [1]         read
//   statistics  [8]         the first four are added to: sums of `terms`

struct Params {
  rows: u32,
  width: u32, // columns of the chunk
  start: u32, // the chunk's first column, counted in the vocabulary
  vocabulary: u32,
  ignored: u32,
  hasBias: u32,
  hasClassWeights: u32,
  smoothing: f32,
  stride: u32, // rows a row of the grid, for grids folded into y
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> logits: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> targets: array<u32>;
@group(0) @binding(4) var<storage, read_write> lanes: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> picked: array<f32>;
@group(0) @binding(6) var<storage, read_write> softmax: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> terms: array<vec4f>;
@group(0) @binding(8) var<storage, read> scale: array<f32>;
@group(0) @binding(9) var<storage, read_write> statistics: array<f32>;
@group(0) @binding(10) var<storage, read> classWeights: array<f32>;
@group(0) @binding(11) var<storage, read> weightSum: array<f32>;

const laneCount = 32u;
const rowsPerGroup = 2u;
const lowest = -3.4e38;
const infinity = 0x7f800000u; // exponent bits all set: infinity or NaN

// exp of x <= 0, down to where products of it could become subnormal, which is slow on CPUs: 1.8e-35 stands for less.
fn decay(x: f32) -> f32 {
  return exp(max(x, -80.0));
}

@compute @workgroup_size(laneCount, rowsPerGroup)
fn scan(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let row = group.y * params.stride + group.x * rowsPerGroup + local.y;
  if (row >= params.rows) {
    return;
  }
  let label = targets[row];
  if (label == params.ignored) {
    return;
  }
  let place = row * laneCount + local.x;
  var largest = lowest;
  var sum = 0.0;
  var total = 0.0;
  var column = 0.0;
  if (params.start > 0u) {
    let before = lanes[place];
    largest = before.x;
    sum = before.y;
    total = before.z;
    column = before.w;
  }
  let first = (local.x + laneCount - params.start % laneCount) % laneCount;
  for (var j = first; j < params.width; j += laneCount) {
    let v = params.start + j;
    var x = logits[row * params.width + j];
    if (params.hasBias == 1u) {
      x += bias[v];
    }
    let difference = x - largest;
    let e = decay(-abs(difference));
    if (difference > 0.0) {
      sum = sum * e + 1.0;
      largest = x;
      column = f32(v);
    } else {
      sum += e;
    }
    if (params.hasClassWeights == 1u) {
      total += classWeights[v] * x;
    } else {
      total += x;
    }
    if (v == label) {
      picked[row] = x;
    }
  }
  lanes[place] = vec4f(largest, sum, total, column);
}

@compute @workgroup_size(64)
fn finish(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y * params.stride + id.x;
  if (row >= params.rows) {
    return;
  }
  let label = targets[row];
  if (label == params.ignored) {
    softmax[row] = vec2f(0.0);
    terms[row] = vec4f(0.0);
    return;
  }
  var all = lanes[row * laneCount];
  for (var lane = 1u; lane < laneCount; lane++) {
    let one = lanes[row * laneCount + lane];
    let largest = max(all.x, one.x);
    let sum = all.y * decay(all.x - largest) + one.y * decay(one.x - largest);
    let wins = one.x > all.x || (one.x == all.x && one.w < all.w);
    all = vec4f(largest, sum, all.z + one.z, select(all.w, one.w, wins));
  }
  let logSum = log(all.y);
  let isFinite = (bitcast<u32>(all.z) & infinity) != infinity;
  let nll = select(all.z, logSum + (all.x - picked[row]), isFinite);
  var own = nll;
  var even = logSum + (all.x - all.z / f32(params.vocabulary));
  if (params.hasClassWeights == 1u) {
    let mean = weightSum[0] / f32(params.vocabulary);
    own = classWeights[label] * nll;
    even = mean * logSum + (mean * all.x - all.z / f32(params.vocabulary));
  }
  let loss = select(own, (1.0 - params.smoothing) * own + params.smoothing * even, params.smoothing > 0.0);
  softmax[row] = vec2f(all.x, 1.0 / all.y);
  terms[row] = vec4f(loss, nll, 1.0, select(0.0, 1.0, u32(all.w) == label));
}

const reduceLanes = 256u;
var<workgroup> partial: array<vec4f, reduceLanes>;

@compute @workgroup_size(reduceLanes)
fn reduce(@builtin(local_invocation_id) local: vec3u) {
  var sum = vec4f(0.0);
  for (var row = local.x; row < params.rows; row += reduceLanes) {
    sum += terms[row];
  }
  partial[local.x] = sum;
  workgroupBarrier();
  if (local.x == 0u) {
    var all = vec4f(0.0);
    for (var lane = 0u; lane < reduceLanes; lane++) {
      all += partial[lane];
    }
    for (var i = 0u; i < 4u; i++) {
      statistics[i] += all[i];
    }
  }
}

const tile = 512u; // columns

@compute @workgroup_size(laneCount, rowsPerGroup)
fn gradient(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let row = group.y * params.stride + group.x * rowsPerGroup + local.y;
  if (row >= params.rows) {
    return;
  }
  let label = targets[row];
  let normal = softmax[row];
  let factor = scale[0];
  let even = params.smoothing / f32(params.vocabulary);
  let end = min(params.width, (group.z + 1u) * tile);
  for (var j = group.z * tile + local.x; j < end; j += laneCount) {
    let place = row * params.width + j;
    let v = params.start + j;
    var slope = 0.0;
    if (label != params.ignored) {
      var x = logits[place];
      if (params.hasBias == 1u) {
        x += bias[v];
      }
      let p = decay(x - normal.x) * normal.y;
      if (params.hasClassWeights == 1u) {
        let own = (1.0 - params.smoothing) * classWeights[label];
        slope = (own * (p - select(0.0, 1.0, v == label)) + even * (weightSum[0] * p - classWeights[v])) * factor;
      } else {
        slope = (p - even - select(0.0, 1.0 - params.smoothing, v == label)) * factor;
      }
    }
    logits[place] = slope;
  }
}
