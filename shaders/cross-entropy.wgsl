// Softmax cross-entropy of N rows over a vocabulary of V, a chunk of columns at a time. With x = logits,
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
// the order of the vocabulary: 8 lanes a row, each with 4 columns side by side, so that a row has 32 streams: stream l
// reads the columns v = l modulo 32 and keeps a running maximum and a sum of exponentials relative to it. What a stream
// adds up, and in which order, thus depends on the row alone, not on N or the chunks.
// `finish` joins the streams of a row in order, `reduce` adds up the rows. `gradient` overwrites a chunk's logits.
//
//   logits      [N, 4 fours] read in scan, overwritten by d loss / d x * scale in gradient; what lies beyond `width` is
//                            not used, and any number afterwards
//   targets     [N]         read
//   classWeights [V]        read where hasClassWeights = 1
//   weightSum   [1]         read where hasClassWeights = 1: their sum
//   streams     [N, 32]     scan to finish: maximum, sum of exp(x - maximum), sum of (w) x, column of the maximum
//   picked      [N]         scan to finish: x_t
//   softmax     [N]         finish to gradient: maximum, 1 / sum of exp(x - maximum)
//   terms       [N]         finish to reduce: loss, nll, 1, 1 where the target has the largest x (the first of equals)
//   scale       [1]         read
//   statistics  [8]         the first four are added to: sums of `terms`

struct Params {
  rows: u32,
  width: u32, // columns of the chunk
  fours: u32, // distance between rows of logits, in fours: at least width / 4
  start: u32, // the chunk's first column, counted in the vocabulary: a multiple of 4
  vocabulary: u32,
  ignored: u32,
  smoothing: f32,
  stride: u32, // rows a row of the grid, for grids folded into y
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> logits: array<vec4f>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read_write> streams: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> picked: array<f32>;
@group(0) @binding(5) var<storage, read_write> softmax: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> terms: array<vec4f>;
@group(0) @binding(7) var<storage, read> scale: array<f32>;
@group(0) @binding(8) var<storage, read_write> statistics: array<f32>;
@group(0) @binding(9) var<storage, read> classWeights: array<f32>;
@group(0) @binding(10) var<storage, read> weightSum: array<f32>;

override hasClassWeights: u32 = 1;

const laneCount = 8u; // of a row, 4 columns each
const streamCount = 4u * laneCount;
const rowsPerGroup = 8u;
const lowest = -3.4e38;
const infinity = 0x7f800000u; // exponent bits all set: infinity or NaN

// exp of x <= 0, down to where products of it could become subnormal, which is slow on CPUs: 1.8e-35 stands for less.
fn decay(x: f32) -> f32 {
  return exp(max(x, -80.0));
}

fn decay_four(x: vec4f) -> vec4f {
  return exp(max(x, vec4f(-80.0)));
}

// The weights of the classes v to v + 3, as far as there are so many.
fn weights_of(v: u32) -> vec4f {
  let at = min(vec4u(v, v + 1u, v + 2u, v + 3u), vec4u(params.vocabulary - 1u));
  return vec4f(classWeights[at.x], classWeights[at.y], classWeights[at.z], classWeights[at.w]);
}

// Of each of a lane's four streams.
struct Streams {
  largest: vec4f,
  sum: vec4f,
  total: vec4f,
  column: vec4f,
}

// The streams after the columns v to v + 3.
fn extended(before: Streams, x: vec4f, v: u32) -> Streams {
  let difference = x - before.largest;
  let e = decay_four(-abs(difference));
  let rises = difference > vec4f(0.0);
  var term = x;
  if (hasClassWeights == 1u) {
    term *= weights_of(v);
  }
  return Streams(
    select(before.largest, x, rises),
    select(before.sum + e, fma(before.sum, e, vec4f(1.0)), rises),
    before.total + term,
    select(before.column, vec4f(vec4u(v, v + 1u, v + 2u, v + 3u)), rises),
  );
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
  let place = row * streamCount + 4u * local.x;
  var mine = Streams(vec4f(lowest), vec4f(0.0), vec4f(0.0), vec4f(0.0));
  if (params.start > 0u) {
    let known = transpose(mat4x4f(streams[place], streams[place + 1u], streams[place + 2u], streams[place + 3u]));
    mine = Streams(known[0], known[1], known[2], known[3]);
  }
  let rowAt = row * params.fours;
  var j = (local.x + laneCount - params.start / 4u % laneCount) % laneCount;
  for (; 4u * j + 3u < params.width; j += laneCount) {
    mine = extended(mine, logits[rowAt + j], params.start + 4u * j);
  }
  // At most one four, in one of the lanes: the row's last columns.
  for (; 4u * j < params.width; j += laneCount) {
    let after = extended(mine, logits[rowAt + j], params.start + 4u * j);
    let exists = vec4u(4u * j) + vec4u(0u, 1u, 2u, 3u) < vec4u(params.width);
    mine.largest = select(mine.largest, after.largest, exists);
    mine.sum = select(mine.sum, after.sum, exists);
    mine.total = select(mine.total, after.total, exists);
    mine.column = select(mine.column, after.column, exists);
  }
  let kept = transpose(mat4x4f(mine.largest, mine.sum, mine.total, mine.column));
  streams[place] = kept[0];
  streams[place + 1u] = kept[1];
  streams[place + 2u] = kept[2];
  streams[place + 3u] = kept[3];
  let at = label - params.start; // beyond the width where it is in another chunk
  if (at < params.width && label / 4u % laneCount == local.x) {
    picked[row] = logits[rowAt + at / 4u][at % 4u];
  }
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
  var all = streams[row * streamCount];
  for (var stream = 1u; stream < streamCount; stream++) {
    let one = streams[row * streamCount + stream];
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
  if (hasClassWeights == 1u) {
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

const tile = 128u; // fours of columns

@compute @workgroup_size(laneCount, rowsPerGroup)
fn gradient(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let row = group.y * params.stride + group.x * rowsPerGroup + local.y;
  if (row >= params.rows) {
    return;
  }
  let label = targets[row];
  let counts = label != params.ignored;
  let normal = softmax[row];
  let factor = scale[0];
  let even = params.smoothing / f32(params.vocabulary);
  let end = min((params.width + 3u) / 4u, (group.z + 1u) * tile);
  for (var j = group.z * tile + local.x; j < end; j += laneCount) {
    let place = row * params.fours + j;
    let v = params.start + 4u * j;
    let isLabel = vec4u(v, v + 1u, v + 2u, v + 3u) == vec4u(label);
    let p = decay_four(logits[place] - normal.x) * normal.y;
    var slope = p - even - select(vec4f(0.0), vec4f(1.0 - params.smoothing), isLabel);
    if (hasClassWeights == 1u) {
      let own = (1.0 - params.smoothing) * classWeights[label];
      slope = own * (p - select(vec4f(0.0), vec4f(1.0), isLabel)) + even * (weightSum[0] * p - weights_of(v));
    }
    logits[place] = select(vec4f(0.0), slope * factor, counts);
  }
}
