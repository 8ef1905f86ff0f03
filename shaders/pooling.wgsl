// Pooling over the time of each row of a sequence, as far as its length L.
//
//   mean_forward   y[b,h] = 1/L sum_{t<L} x[t,b,h]
//   mean_backward  dx[t,b,h] = dy[b,h] / L for t < L, else 0
//   max_forward    y[b,h] = max_{t<L} x[t,b,h];  places[b,h] = its t, the first of equals
//   max_backward   dx[t,b,h] = dy[b,h] for t = places[b,h] < L, else 0
//
// A row of length 0 gives zeros. Sums run from the first step on, so a row's bits depend neither on the other rows nor
// on how far it is padded. Gradients are added where accumulate = 1.
//
//   x        [T, B, H]   read
//   lengths  [B] u32     read; at most T counts
//   y        [B, H]      written
//   places   [B, H] u32  max_forward to max_backward
//   dy       [B, H]      read
//   dx       [T, B, H]   written

struct Params {
  steps: u32, // T
  batch: u32, // B
  width: u32, // H
  accumulate: u32,
  stride: u32, // elements a row of the grid
}

alias stored = f32; // or f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<stored>;
@group(0) @binding(2) var<storage, read> lengths: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<stored>;
@group(0) @binding(4) var<storage, read_write> places: array<u32>;
@group(0) @binding(5) var<storage, read> dy: array<stored>;
@group(0) @binding(6) var<storage, read_write> dx: array<stored>;

@compute @workgroup_size(64)
fn mean_forward(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * params.stride + id.x; // row * H + column
  let size = params.batch * params.width;
  if (index >= size) {
    return;
  }
  let length = min(lengths[index / params.width], params.steps);
  var sum = 0.0;
  for (var t = 0u; t < length; t++) {
    sum += f32(x[t * size + index]);
  }
  y[index] = stored(sum / f32(max(length, 1u)));
}

@compute @workgroup_size(64)
fn mean_backward(@builtin(global_invocation_id) id: vec3u) {
  let place = id.y * params.stride + id.x;
  let size = params.batch * params.width;
  if (place >= params.steps * size) {
    return;
  }
  let index = place % size;
  let length = min(lengths[index / params.width], params.steps);
  store(place, select(0.0, f32(dy[index]) / f32(max(length, 1u)), place / size < length));
}

@compute @workgroup_size(64)
fn max_forward(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * params.stride + id.x; // row * H + column
  let size = params.batch * params.width;
  if (index >= size) {
    return;
  }
  let length = min(lengths[index / params.width], params.steps);
  var largest = 0.0;
  var place = 0u;
  if (length > 0u) {
    largest = f32(x[index]);
  }
  for (var t = 1u; t < length; t++) {
    let value = f32(x[t * size + index]);
    if (value > largest) {
      largest = value;
      place = t;
    }
  }
  y[index] = stored(largest);
  places[index] = place;
}

@compute @workgroup_size(64)
fn max_backward(@builtin(global_invocation_id) id: vec3u) {
  let place = id.y * params.stride + id.x;
  let size = params.batch * params.width;
  if (place >= params.steps * size) {
    return;
  }
  let index = place % size;
  let t = place / size;
  store(place, select(0.0, f32(dy[index]), t == places[index] && t < lengths[index / params.width]));
}

fn store(place: u32, gradient: f32) {
  if (params.accumulate == 1u) {
    dx[place] = stored(f32(dx[place]) + gradient);
  } else {
    dx[place] = stored(gradient);
  }
}
