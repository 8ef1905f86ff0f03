// One step of an update gate RNN (Collins, Sohl-Dickstein, Sussillo 2017) in all directions; a row of the batch that has
// ended (t >= length) keeps its state.
//   g = sigmoid(gates_g[t] + bias_g + h[t-1] W_gᵀ)    c = tanh(gates_c[t] + bias_c + h[t-1] W_cᵀ)
//   h[t] = g h[t-1] + (1 - g) c
// A thread owns one row and one unit. The shapes are those of `shaders/rnn-cell.wgsl` with two gates, g and c.

struct Params {
  step: u32,
  steps: u32, // T
  batch: u32, // B
  hidden: u32, // H
  width: u32, // D·H
  reverse: u32,
  hasInitial: u32,
  hasLengths: u32,
  hasUpstream: u32,
  hasCarry: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> gates: array<f32>;
@group(0) @binding(2) var<storage, read_write> h: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> lengths: array<u32>;
@group(0) @binding(6) var<storage, read> upstream: array<f32>;
@group(0) @binding(7) var<storage, read> hRead: array<f32>;
@group(0) @binding(8) var<storage, read_write> carry: array<f32>;

fn sigmoid(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(clamp(-x, -80.0, 80.0)));
}

fn timeOf(direction: u32, step: u32) -> u32 {
  return select(step, params.steps - 1u - step, ((params.reverse >> direction) & 1u) == 1u);
}

// The slot of the states before this step.
fn slotBefore(direction: u32) -> u32 {
  return select(timeOf(direction, params.step - 1u), params.steps, params.step == 0u);
}

fn hasBefore() -> bool {
  return params.step > 0u || params.hasInitial == 1u;
}

fn ended(row: u32, time: u32) -> bool {
  if (params.hasLengths == 0u) {
    return false;
  }
  return time >= lengths[row];
}

fn gatesOf(direction: u32, time: u32, row: u32) -> u32 {
  return ((direction * params.steps + time) * params.batch + row) * 2u * params.hidden;
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let H = params.hidden;
  let unit = id.x;
  if (unit >= H) {
    return;
  }
  let row = id.y;
  let direction = id.z;
  let time = timeOf(direction, params.step);
  let state = row * params.width + direction * H;
  let slot = params.batch * params.width;
  var g = bias[direction * 2u * H + unit];
  var c = bias[direction * 2u * H + H + unit];
  var hBefore = 0.0;
  if (hasBefore()) {
    let before = slotBefore(direction) * slot + state;
    hBefore = h[before + unit];
    for (var k = 0u; k < H; k++) {
      let w = (direction * H + k) * 2u * H + unit;
      g += h[before + k] * weights[w];
      c += h[before + k] * weights[w + H];
    }
  }
  if (ended(row, time)) {
    h[time * slot + state + unit] = hBefore;
    return;
  }
  let at = gatesOf(direction, time, row) + unit;
  g = sigmoid(gates[at] + g);
  c = 2.0 * sigmoid(2.0 * (gates[at + H] + c)) - 1.0; // tanh
  gates[at] = g;
  gates[at + H] = c;
  h[time * slot + state + unit] = g * hBefore + (1.0 - g) * c;
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u) {
  let H = params.hidden;
  let unit = id.x;
  if (unit >= H) {
    return;
  }
  let row = id.y;
  let direction = id.z;
  let time = timeOf(direction, params.step);
  let place = row * params.width + direction * H + unit;
  let slot = params.batch * params.width;
  var dh = 0.0;
  if (params.step + 1u < params.steps) {
    let after = gatesOf(direction, timeOf(direction, params.step + 1u), row);
    for (var k = 0u; k < 2u * H; k++) {
      dh += gates[after + k] * weights[(direction * 2u * H + k) * H + unit];
    }
  }
  if (params.hasUpstream == 1u) {
    dh += upstream[time * slot + place];
  }
  if (params.hasCarry == 1u) {
    dh += carry[place];
  }
  let at = gatesOf(direction, time, row) + unit;
  if (ended(row, time)) {
    gates[at] = 0.0;
    gates[at + H] = 0.0;
    carry[place] = dh;
    return;
  }
  var hBefore = 0.0;
  if (hasBefore()) {
    hBefore = hRead[slotBefore(direction) * slot + place];
  }
  let g = gates[at];
  let c = gates[at + H];
  gates[at] = dh * (hBefore - c) * g * (1.0 - g);
  gates[at + H] = dh * (1.0 - g) * (1.0 - c * c);
  carry[place] = dh * g;
}
