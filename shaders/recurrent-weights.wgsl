// Both directions' recurrent weights side by side, so that one binding holds them.
//   packed[d, k, j] = weight_d[j, k], packedBias[d, j] = bias_d[j]   for j < rows, k < columns, d < D
//
//   transpose        through workgroup memory, so that reads and writes are both along the contiguous dimension
//   transposeDirect  element by element, for software adapters: there a barrier costs more than scattered reads
//
//   weight0, weight1  [rows, columns]       of direction 0 and 1 (the same where D = 1)
//   bias0, bias1      [rows]
//   packed            [D, columns, rows]    written
//   packedBias        [D, rows]             written

struct Params {
  rows: u32,
  columns: u32,
}

alias stored = f32; // or f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight0: array<f32>;
@group(0) @binding(2) var<storage, read> weight1: array<f32>;
@group(0) @binding(3) var<storage, read> bias0: array<f32>;
@group(0) @binding(4) var<storage, read> bias1: array<f32>;
@group(0) @binding(5) var<storage, read_write> packed: array<stored>;
@group(0) @binding(6) var<storage, read_write> packedBias: array<f32>;

const tile = 16u;
var<workgroup> staged: array<f32, tile * (tile + 1u)>;

@compute @workgroup_size(tile, tile)
fn transpose(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let column = group.x * tile + local.x;
  let row = group.y * tile + local.y;
  if (row < params.rows && column < params.columns) {
    let place = row * params.columns + column;
    if (group.z == 0u) {
      staged[local.y * (tile + 1u) + local.x] = weight0[place];
    } else {
      staged[local.y * (tile + 1u) + local.x] = weight1[place];
    }
  }
  if (column == 0u && row < params.rows) {
    if (group.z == 0u) {
      packedBias[row] = bias0[row];
    } else {
      packedBias[params.rows + row] = bias1[row];
    }
  }
  workgroupBarrier();
  let outRow = group.x * tile + local.y;
  let outColumn = group.y * tile + local.x;
  if (outRow < params.columns && outColumn < params.rows) {
    let destination = (group.z * params.columns + outRow) * params.rows + outColumn;
    packed[destination] = stored(staged[local.x * (tile + 1u) + local.y]);
  }
}

@compute @workgroup_size(64)
fn transposeDirect(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  let column = id.y;
  if (row >= params.rows) {
    return;
  }
  let place = row * params.columns + column;
  let destination = (id.z * params.columns + column) * params.rows + row;
  if (id.z == 0u) {
    packed[destination] = stored(weight0[place]);
  } else {
    packed[destination] = stored(weight1[place]);
  }
  if (column == 0u) {
    if (id.z == 0u) {
      packedBias[row] = bias0[row];
    } else {
      packedBias[params.rows + row] = bias1[row];
    }
  }
}
