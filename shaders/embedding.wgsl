// Embedding and its gradient.
//
//   forward   y[n,:] = weight[ids[n],:] for n from `first` to `count`
//   rank      order = the positions sorted by id, equal ids in their own order; every position looks at all others
//   rank_rows the same for tables of few rows on software adapters: every row of the table looks at all positions
//   backward  dWeight[id,:] += the sum of dy[n,:] over the positions n of that id, in order; none for the padding id
//   forward_fours, backward_fours  the same by 16 bytes, for columns that are a multiple of 4
//
// There are no float atomics: `rank` counts for every position how many come before it in the sorted order, which is
// its place there; `rank_rows` counts for every id how many are smaller, which is where its own positions begin. In
// `backward` the lanes of the first position of a run of equal ids add up the run, the others leave at once, so each row
// of dWeight has one writer and one order of summation.
//
//   ids      [count] u32      read
//   weight   [V, columns]     read (weightFours)
//   y        [count, columns] written (yFours)
//   order    [count] u32      written by rank or rank_rows, read by backward
//   dy       [count, columns] read (dyFours)
//   dWeight  [V, columns]     added to (dWeightFours)

struct Params {
  first: u32, // of forward
  count: u32,
  columns: u32,
  paddingIndex: u32, // 0xffffffff: none
  rows: u32, // V, of rank_rows
}

alias stored = f32; // or f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<stored>;
@group(0) @binding(4) var<storage, read_write> order: array<u32>;
@group(0) @binding(5) var<storage, read> sorted: array<u32>; // order, as backward reads it
@group(0) @binding(6) var<storage, read> dy: array<stored>;
@group(0) @binding(7) var<storage, read_write> dWeight: array<f32>;
@group(0) @binding(8) var<storage, read> weightFours: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> yFours: array<vec4<stored>>;
@group(0) @binding(10) var<storage, read> dyFours: array<vec4<stored>>;
@group(0) @binding(11) var<storage, read_write> dWeightFours: array<vec4f>;

const width = 64u;
// Of the entries by fours: a workgroup has 8 fours of columns and 8 positions.
const side = 8u;

@compute @workgroup_size(width)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let position = params.first + group.y * groups.x + group.x;
  if (position >= params.count) {
    return;
  }
  let source = ids[position] * params.columns;
  let place = position * params.columns;
  for (var column = local.x; column < params.columns; column += width) {
    y[place + column] = stored(weight[source + column]);
  }
}

@compute @workgroup_size(side, side)
fn forward_fours(@builtin(global_invocation_id) global: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let position = params.first + global.z * groups.y * side + global.y;
  let fours = params.columns / 4u;
  if (global.x >= fours || position >= params.count) {
    return;
  }
  yFours[position * fours + global.x] = vec4<stored>(weightFours[ids[position] * fours + global.x]);
}

@compute @workgroup_size(width)
fn rank(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let first = group.x * width;
  let position = first + local.x;
  let last = min(first + width, params.count);
  let id = ids[min(position, params.count - 1u)];
  // Before this workgroup's positions equal ids come first, after them they do not.
  var four = vec4u(0u);
  for (var other = 0u; other < first; other += 4u) {
    let others = vec4u(ids[other], ids[other + 1u], ids[other + 2u], ids[other + 3u]);
    four += select(vec4u(0u), vec4u(1u), others <= vec4u(id));
  }
  for (var other = last; other + 3u < params.count; other += 4u) {
    let others = vec4u(ids[other], ids[other + 1u], ids[other + 2u], ids[other + 3u]);
    four += select(vec4u(0u), vec4u(1u), others < vec4u(id));
  }
  var before = four.x + four.y + four.z + four.w;
  for (var other = params.count - (params.count - last) % 4u; other < params.count; other++) {
    before += select(0u, 1u, ids[other] < id);
  }
  for (var other = first; other < last; other++) {
    let otherId = ids[other];
    before += select(0u, 1u, otherId < id || (otherId == id && other < position));
  }
  if (position < params.count) {
    order[before] = position;
  }
}

@compute @workgroup_size(width)
fn rank_rows(@builtin(global_invocation_id) global: vec3u) {
  let id = global.x;
  if (id >= params.rows) {
    return;
  }
  var place = 0u;
  for (var position = 0u; position < params.count; position++) {
    place += select(0u, 1u, ids[position] < id);
  }
  for (var position = 0u; position < params.count; position++) {
    if (ids[position] == id) {
      order[place] = position;
      place++;
    }
  }
}

@compute @workgroup_size(width)
fn backward(@builtin(global_invocation_id) global: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let column = global.x;
  let place = global.z * groups.y + global.y;
  if (column >= params.columns || place >= params.count) {
    return;
  }
  let id = ids[sorted[place]];
  if (!begins(place, id)) {
    return;
  }
  var sum = 0.0;
  for (var next = place; next < params.count; next++) {
    let position = sorted[next];
    if (ids[position] != id) {
      break;
    }
    sum += f32(dy[position * params.columns + column]);
  }
  dWeight[id * params.columns + column] += sum;
}

@compute @workgroup_size(side, side)
fn backward_fours(@builtin(global_invocation_id) global: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let place = global.z * groups.y * side + global.y;
  let fours = params.columns / 4u;
  if (global.x >= fours || place >= params.count) {
    return;
  }
  let id = ids[sorted[place]];
  if (!begins(place, id)) {
    return;
  }
  var sum = vec4f(0.0);
  for (var next = place; next < params.count; next++) {
    let position = sorted[next];
    if (ids[position] != id) {
      break;
    }
    sum += vec4f(dyFours[position * fours + global.x]);
  }
  dWeightFours[id * fours + global.x] += sum;
}

// A run of an id that gets a gradient begins at this place of the order.
fn begins(place: u32, id: u32) -> bool {
  return id != params.paddingIndex && (place == 0u || ids[sorted[max(place, 1u) - 1u]] != id);
}
