// y[yOffset + j] = sum_i x[xOffset + i*xRow + j]   for i < rows, j < columns; added where accumulate = 1.
// A bias gradient, in an order that depends on nothing but x.
//   tree    one workgroup owns 16 columns; its 16 lanes a column each sum every 16th row, then lane 0 adds the 16
//           partial sums in order
//   serial  one lane a column, for adapters on which a barrier costs more than the whole sum (SwiftShader)
//   fours   the same for four columns a lane, where xOffset and xRow are multiples of 4. Up to 3 numbers past a row's
//           columns are loaded, and not used
// treeTwice, serialTwice and foursTwice give `other` the same sums as y, from place 0 on: a recurrent layer's two biases.
//
//   x         read     rows of length `columns`, xRow apart (as xFours in fours and foursTwice)
//   y, other  written  [columns]; they share no memory, nor x's buffer

struct Params {
  rows: u32,
  columns: u32,
  xOffset: u32,
  xRow: u32,
  yOffset: u32,
  accumulate: u32,
}

alias stored = f32; // or f16
alias summed = f32; // or f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<stored>;
@group(0) @binding(2) var<storage, read> xFours: array<vec4<stored>>;
@group(0) @binding(3) var<storage, read_write> y: array<summed>;
@group(0) @binding(4) var<storage, read_write> other: array<summed>;

const width = 16u;
const lanes = 16u;
var<workgroup> partial: array<f32, width * lanes>;

fn store(column: u32, sum: f32) {
  let place = params.yOffset + column;
  if (params.accumulate == 1u) {
    y[place] = summed(f32(y[place]) + sum);
  } else {
    y[place] = summed(sum);
  }
}

fn storeOther(column: u32, sum: f32) {
  if (params.accumulate == 1u) {
    other[column] = summed(f32(other[column]) + sum);
  } else {
    other[column] = summed(sum);
  }
}

// The sum of a column, in the lanes with local.y = 0.
fn treeSum(local: vec3u, column: u32) -> f32 {
  var sum = 0.0;
  if (column < params.columns) {
    for (var row = local.y; row < params.rows; row += lanes) {
      sum += f32(x[params.xOffset + row * params.xRow + column]);
    }
  }
  partial[local.y * width + local.x] = sum;
  workgroupBarrier();
  var total = 0.0;
  if (local.y == 0u) {
    for (var lane = 0u; lane < lanes; lane++) {
      total += partial[lane * width + local.x];
    }
  }
  return total;
}

fn serialSum(column: u32) -> f32 {
  var sum = 0.0;
  for (var row = 0u; row < params.rows; row++) {
    sum += f32(x[params.xOffset + row * params.xRow + column]);
  }
  return sum;
}

@compute @workgroup_size(width, lanes)
fn tree(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let column = group.x * width + local.x;
  let sum = treeSum(local, column);
  if (local.y == 0u && column < params.columns) {
    store(column, sum);
  }
}

@compute @workgroup_size(width, lanes)
fn treeTwice(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let column = group.x * width + local.x;
  let sum = treeSum(local, column);
  if (local.y == 0u && column < params.columns) {
    store(column, sum);
    storeOther(column, sum);
  }
}

@compute @workgroup_size(width)
fn serial(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.columns) {
    store(id.x, serialSum(id.x));
  }
}

@compute @workgroup_size(width)
fn serialTwice(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.columns) {
    let sum = serialSum(id.x);
    store(id.x, sum);
    storeOther(id.x, sum);
  }
}

fn foursSum(quad: u32) -> vec4f {
  var sum = vec4f(0.0);
  for (var row = 0u; row < params.rows; row++) {
    sum += vec4f(xFours[(params.xOffset + row * params.xRow) / 4u + quad]);
  }
  return sum;
}

@compute @workgroup_size(8)
fn fours(@builtin(global_invocation_id) id: vec3u) {
  let column = 4u * id.x;
  if (column >= params.columns) {
    return;
  }
  let sum = foursSum(id.x);
  for (var i = 0u; i < min(4u, params.columns - column); i++) {
    store(column + i, sum[i]);
  }
}

@compute @workgroup_size(8)
fn foursTwice(@builtin(global_invocation_id) id: vec3u) {
  let column = 4u * id.x;
  if (column >= params.columns) {
    return;
  }
  let sum = foursSum(id.x);
  for (var i = 0u; i < min(4u, params.columns - column); i++) {
    store(column + i, sum[i]);
    storeOther(column + i, sum[i]);
  }
}
