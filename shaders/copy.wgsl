// y[yOffset + i*yRow + j] = x[xOffset + i*xRow + j]   for i < rows, j < columns; added where accumulate = 1.
// `fours` does it by 16 bytes: there columns, offsets and distances are counted in fours of elements.
//
//   x  read      rows of length `columns`, xRow apart
//   y  written   rows of length `columns`, yRow apart; must not be x's buffer

struct Params {
  rows: u32,
  columns: u32,
  xOffset: u32,
  xRow: u32,
  yOffset: u32,
  yRow: u32,
  accumulate: u32,
  stride: u32, // elements a row of the grid
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>; // bits: f32 and u32 alike unless accumulating
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

@group(0) @binding(3) var<storage, read> xFours: array<vec4u>;
@group(0) @binding(4) var<storage, read_write> yFours: array<vec4u>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * params.stride + id.x;
  if (index >= params.rows * params.columns) {
    return;
  }
  let row = index / params.columns;
  let column = index % params.columns;
  let value = x[params.xOffset + row * params.xRow + column];
  let place = params.yOffset + row * params.yRow + column;
  if (params.accumulate == 1u) {
    y[place] = bitcast<u32>(bitcast<f32>(y[place]) + bitcast<f32>(value));
  } else {
    y[place] = value;
  }
}

@compute @workgroup_size(64)
fn fours(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * params.stride + id.x;
  if (index >= params.rows * params.columns) {
    return;
  }
  let row = index / params.columns;
  let column = index % params.columns;
  let value = xFours[params.xOffset + row * params.xRow + column];
  let place = params.yOffset + row * params.yRow + column;
  if (params.accumulate == 1u) {
    yFours[place] = bitcast<vec4u>(bitcast<vec4f>(yFours[place]) + bitcast<vec4f>(value));
  } else {
    yFours[place] = value;
  }
}
