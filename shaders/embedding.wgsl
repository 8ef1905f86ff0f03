// Embedding and its gradient.
//
//   forward   y[n,:] = weight[ids[n],:] for n from `first` to `count`
//   rank      order = the positions sorted by id, equal ids in their own order
//   backward  dWeight[id,:] += the sum of dy[n,:] over the positions n of that id, in order; none for the padding id
//
// There are no float atomics: `rank` counts for every position how many come before it in the sorted order, which is
// its place there. In `backward` a workgroup belongs to the first position of a run of equal ids and adds up the run,
// the others leave at once, so each row of dWeight has one writer and one order of summation.
//
//   ids      [count] u32      read
//   weight   [V, columns]     read
//   y        [count, columns] written
//   order    [count] u32      written by rank, read by backward
//   dy       [count, columns] read
//   dWeight  [V, columns]     added to

struct Params {
  first: u32, // of forward
  count: u32,
  columns: u32,
  paddingIndex: u32, // 0xffffffff: none
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> order: array<u32>;
@group(0) @binding(5) var<storage, read> sorted: array<u32>; // order, as backward reads it
@group(0) @binding(6) var<storage, read> dy: array<f32>;
@group(0) @binding(7) var<storage, read_write> dWeight: array<f32>;

const width = 64u;

@compute @workgroup_size(width)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let column = id.x;
  let position = params.first + id.z * groups.y + id.y;
  if (column < params.columns && position < params.count) {
    y[position * params.columns + column] = weight[ids[position] * params.columns + column];
  }
}

@compute @workgroup_size(width)
fn rank(@builtin(global_invocation_id) global: vec3u) {
  let position = global.x;
  if (position >= params.count) {
    return;
  }
  let id = ids[position];
  var before = 0u;
  for (var other = 0u; other < params.count; other++) {
    let otherId = ids[other];
    before += select(0u, 1u, otherId < id || (otherId == id && other < position));
  }
  order[before] = position;
}

@compute @workgroup_size(width)
fn backward(@builtin(global_invocation_id) global: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let column = global.x;
  let place = global.z * groups.y + global.y;
  if (column >= params.columns || place >= params.count) {
    return;
  }
  let id = ids[sorted[place]];
  if (id == params.paddingIndex || (place > 0u && ids[sorted[place - 1u]] == id)) {
    return;
  }
  var sum = 0.0;
  for (var next = place; next < params.count; next++) {
    let position = sorted[next];
    if (ids[position] != id) {
      break;
    }
    sum += dy[position * params.columns + column];
  }
  dWeight[id * params.columns + column] += sum;
}
