// Softmax over the first `length` entries of each row; the others become exactly 0, in a row of length 0 all of them.
//
//   forward   y[r,j] = exp(x[r,j] - max_r) / sum_j exp(x[r,j] - max_r)      j < length_r
//   backward  dx[r,j] = y[r,j] (dy[r,j] - sum_j dy[r,j] y[r,j])             added where accumulate = 1
//
// length_r = lengths[r % period], at most `columns`; r counts from the tensor's first row whatever the range.
//
// `forward` and `backward` give a row sixteen lanes: lane l sums the entries l, l + 16, ... in order, then the partial
// sums are added in a fixed tree. `forward_alone` and `backward_alone` give it one lane, which sums in order: for
// software adapters, to which a barrier costs more than the row. Zeros do not change a sum in either order, so a row's
// values are the same bits however far it is padded.
//
//   x        [rows, columns]  read
//   lengths  [period] u32     read, where hasLengths = 1
//   y        [rows, columns]  written by forward, read by backward
//   dy       [rows, columns]  read
//   dx       [rows, columns]  written
// No buffer may be given twice, but x may stand in for unused lengths.

struct Params {
  start: u32, // first row
  end: u32, // row after the last
  columns: u32,
  period: u32,
  hasLengths: u32,
  accumulate: u32,
  stride: u32, // rows that a row of the grid covers
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> lengths: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> value: array<f32>; // y, as backward reads it
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;

const lanes = 16u;
const rowsPerGroup = 4u;
const lanesAlone = 64u;
const lowest = -3.4028234e38;
var<workgroup> partial: array<f32, lanes * rowsPerGroup>;

@compute @workgroup_size(lanes, rowsPerGroup)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let row = params.start + group.y * params.stride + group.x * rowsPerGroup + local.y;
  let lane = local.x;
  let first = row * params.columns;
  var columns = 0u; // of a row beyond the end: nothing is written
  var length = 0u;
  if (row < params.end) {
    columns = params.columns;
    length = columns;
    if (params.hasLengths == 1u) {
      length = min(lengths[row % params.period], columns);
    }
  }

  var largest = lowest;
  for (var j = lane; j < length; j += lanes) {
    largest = max(largest, x[first + j]);
  }
  let peak = row_max(local, largest);

  var sum = 0.0;
  for (var j = lane; j < length; j += lanes) {
    let e = exp(x[first + j] - peak);
    y[first + j] = e;
    sum += e;
  }
  let scale = 1.0 / max(row_sum(local, sum), 1e-30); // the sum is at least 1 unless the row is empty
  for (var j = lane; j < columns; j += lanes) {
    if (j < length) {
      y[first + j] *= scale;
    } else {
      y[first + j] = 0.0;
    }
  }
}

@compute @workgroup_size(lanes, rowsPerGroup)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let row = params.start + group.y * params.stride + group.x * rowsPerGroup + local.y;
  let first = row * params.columns;
  let columns = select(0u, params.columns, row < params.end);

  var sum = 0.0;
  for (var j = local.x; j < columns; j += lanes) {
    sum += value[first + j] * dy[first + j];
  }
  let total = row_sum(local, sum);
  for (var j = local.x; j < columns; j += lanes) {
    var gradient = value[first + j] * (dy[first + j] - total);
    if (params.accumulate == 1u) {
      gradient += dx[first + j];
    }
    dx[first + j] = gradient;
  }
}

@compute @workgroup_size(lanesAlone)
fn forward_alone(@builtin(global_invocation_id) id: vec3u) {
  let row = params.start + id.y * params.stride + id.x;
  if (row >= params.end) {
    return;
  }
  let first = row * params.columns;
  let end = first + params.columns;
  var last = end; // of the entries that count, the one after
  if (params.hasLengths == 1u) {
    last = first + min(lengths[row % params.period], params.columns);
  }
  var largest = lowest;
  for (var j = first; j < last; j++) {
    largest = max(largest, x[j]);
  }
  var sum = 0.0;
  for (var j = first; j < last; j++) {
    let e = exp(x[j] - largest);
    y[j] = e;
    sum += e;
  }
  let scale = 1.0 / max(sum, 1e-30);
  for (var j = first; j < last; j++) {
    y[j] *= scale;
  }
  for (var j = last; j < end; j++) {
    y[j] = 0.0;
  }
}

@compute @workgroup_size(lanesAlone)
fn backward_alone(@builtin(global_invocation_id) id: vec3u) {
  let row = params.start + id.y * params.stride + id.x;
  if (row >= params.end) {
    return;
  }
  let first = row * params.columns;
  let end = first + params.columns;
  var sum = 0.0;
  for (var j = first; j < end; j++) {
    sum += value[j] * dy[j];
  }
  for (var j = first; j < end; j++) {
    var gradient = value[j] * (dy[j] - sum);
    if (params.accumulate == 1u) {
      gradient += dx[j];
    }
    dx[j] = gradient;
  }
}

// The largest of a row's sixteen lanes, in each of them.
fn row_max(local: vec3u, mine: f32) -> f32 {
  let place = local.y * lanes + local.x;
  partial[place] = mine;
  workgroupBarrier();
  for (var half = lanes / 2u; half > 0u; half /= 2u) {
    if (local.x < half) {
      partial[place] = max(partial[place], partial[place + half]);
    }
    workgroupBarrier();
  }
  let result = partial[local.y * lanes];
  workgroupBarrier();
  return result;
}

// The sum of a row's sixteen lanes, in each of them.
fn row_sum(local: vec3u, mine: f32) -> f32 {
  let place = local.y * lanes + local.x;
  partial[place] = mine;
  workgroupBarrier();
  for (var half = lanes / 2u; half > 0u; half /= 2u) {
    if (local.x < half) {
      partial[place] += partial[place + half];
    }
    workgroupBarrier();
  }
  return partial[local.y * lanes];
}
