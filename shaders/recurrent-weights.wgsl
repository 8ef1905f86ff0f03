// Both directions' recurrent weights side by side, so that one binding holds them.
//   packed[d, k, j] = weight_d[j, k]   for j < rows, k < columns, d < D
//   packedBias[0, d, j] = bias_d[j],   packedBias[1, d, j] = inputBias_d[j]
//
//   transpose        through workgroup memory, so that reads and writes are both along the contiguous dimension
//   transposeDirect  element by element, for software adapters: there a barrier costs more than scattered reads
//   transposeFours   the same in blocks of 4×4, for rows and columns that are multiples of 4
//
//   weight0, weight1  [rows, columns]       of direction 0 and 1 (the same where D = 1); fours0, fours1 in transposeFours
//   bias0, bias1      [rows]                and so inputBias0, inputBias1
//   packed            [D, columns, rows]    written; packedFours in transposeFours
//   packedBias        [2, D, rows]          written

struct Params {
  rows: u32,
  columns: u32,
  directions: u32, // D
}

alias stored = f32; // or f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight0: array<f32>;
@group(0) @binding(2) var<storage, read> weight1: array<f32>;
@group(0) @binding(3) var<storage, read> bias0: array<f32>;
@group(0) @binding(4) var<storage, read> bias1: array<f32>;
@group(0) @binding(5) var<storage, read_write> packed: array<stored>;
@group(0) @binding(6) var<storage, read_write> packedBias: array<f32>;
@group(0) @binding(7) var<storage, read> inputBias0: array<f32>;
@group(0) @binding(8) var<storage, read> inputBias1: array<f32>;
@group(0) @binding(9) var<storage, read> fours0: array<vec4f>;
@group(0) @binding(10) var<storage, read> fours1: array<vec4f>;
@group(0) @binding(11) var<storage, read_write> packedFours: array<vec4<stored>>;

const tile = 16u;
var<workgroup> staged: array<f32, tile * (tile + 1u)>;

fn packBias(direction: u32, row: u32) {
  let at = direction * params.rows + row;
  if (direction == 0u) {
    packedBias[at] = bias0[row];
    packedBias[params.directions * params.rows + at] = inputBias0[row];
  } else {
    packedBias[at] = bias1[row];
    packedBias[params.directions * params.rows + at] = inputBias1[row];
  }
}

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
    packBias(group.z, row);
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
    packBias(id.z, row);
  }
}

// Four columns of four rows, from row `row` and column 4 `four` on.
fn load(direction: u32, row: u32, four: u32) -> mat4x4f {
  let fours = params.columns / 4u;
  let at = row * fours + four;
  if (direction == 0u) {
    return mat4x4f(fours0[at], fours0[at + fours], fours0[at + 2u * fours], fours0[at + 3u * fours]);
  }
  return mat4x4f(fours1[at], fours1[at + fours], fours1[at + 2u * fours], fours1[at + 3u * fours]);
}

@compute @workgroup_size(4, 8)
fn transposeFours(@builtin(global_invocation_id) id: vec3u) {
  let row = 4u * id.x;
  let column = 4u * id.y;
  if (row >= params.rows || column >= params.columns) {
    return;
  }
  let m = load(id.z, row, id.y);
  let fours = params.rows / 4u;
  let destination = (id.z * params.columns + column) * fours + id.x;
  packedFours[destination] = vec4<stored>(vec4f(m[0].x, m[1].x, m[2].x, m[3].x));
  packedFours[destination + fours] = vec4<stored>(vec4f(m[0].y, m[1].y, m[2].y, m[3].y));
  packedFours[destination + 2u * fours] = vec4<stored>(vec4f(m[0].z, m[1].z, m[2].z, m[3].z));
  packedFours[destination + 3u * fours] = vec4<stored>(vec4f(m[0].w, m[1].w, m[2].w, m[3].w));
  if (column == 0u) {
    for (var i = row; i < row + 4u; i++) {
      packBias(id.z, i);
    }
  }
}
