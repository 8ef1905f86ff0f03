// y[yOffset + i*yRow + j] = x[xOffset + i*xRow + j]   for i < rows, j < columns; added where accumulate = 1: as `copy`, for
// numbers that are stored as f16 on either side or on both. `fours` counts columns, offsets and distances in fours.
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

alias source = f32; // or f16
alias stored = f32; // or f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<source>;
@group(0) @binding(2) var<storage, read_write> y: array<stored>;
@group(0) @binding(3) var<storage, read> xFours: array<vec4<source>>;
@group(0) @binding(4) var<storage, read_write> yFours: array<vec4<stored>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * params.stride + id.x;
  if (index >= params.rows * params.columns) {
    return;
  }
  let row = index / params.columns;
  let column = index % params.columns;
  var value = f32(x[params.xOffset + row * params.xRow + column]);
  let place = params.yOffset + row * params.yRow + column;
  if (params.accumulate == 1u) {
    value += f32(y[place]);
  }
  y[place] = stored(value);
}

@compute @workgroup_size(64)
fn fours(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * params.stride + id.x;
  if (index >= params.rows * params.columns) {
    return;
  }
  let row = index / params.columns;
  let column = index % params.columns;
  var value = vec4f(xFours[params.xOffset + row * params.xRow + column]);
  let place = params.yOffset + row * params.yRow + column;
  if (params.accumulate == 1u) {
    value += vec4f(yFours[place]);
  }
  yFours[place] = vec4<stored>(value);
}
