// One LSTM step of all directions; a row of the batch that has ended (t >= length) keeps its state.
//   [i f g o] = gates[t] + bias_hh + h[t-1] W_hhᵀ,  then sigmoid, sigmoid, tanh, sigmoid
//   c[t] = f c[t-1] + i g        h[t] = o tanh(c[t])
// Direction d works at time t = step, or T-1-step where bit d of `reverse` is set; "t-1" is the time of the step
// before, whose slot is T (the initial state) at step 0. A row's products are summed over k in order, starting with the
// bias: the same to the bit in any batch and in `lstm-cell-quads.wgsl`.
//
// forward: a thread owns 4 rows of the batch and all gates of one unit
//   gates    [D, T, B, 4H]  in: products with the input, bias_ih included; out: activated gates
//   h, c     [T+1, B, D·H]  read at t-1, written at t
//   weights  [D, H, 4H]     weight_hh transposed
//   bias     [D, 4H]        bias_hh
//   lengths  [B]            read where hasLengths = 1
// backward: a thread owns 4 rows and one unit
//   gates    [D, T, B, 4H]  at t in: activated gates, out: gradients before the activations; read at t+1
//   c        [T+1, B, D·H]  read (as cRead)
//   weights  [D, 4H, H]     weight_hh
//   upstream [T, B, D·H]    gradient of h after each step; read where hasUpstream = 1
//   carryH   [B, D·H]       in: gradient of h[t] besides upstream and the gates at t+1 (where bit 0 of hasCarry is
//                           set); out: what goes on to h[t-1] besides the gates at t. Nothing does without lengths:
//                           then it is written at step 0 only
//   carryC   [B, D·H]       in: gradient of c[t] (bit 1); out: of c[t-1]
// forward_steps, backward_steps: `count` steps in one dispatch, from `step` on or back. A workgroup owns 4 rows of the batch and
// all units, so nobody else needs what it has written; between two steps is a barrier.
// Nothing that is written may share a buffer with anything else.

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
  count: u32, // of `forward_steps` and `backward_steps`
}

alias stored = f32; // or f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> gates: array<stored>;
@group(0) @binding(2) var<storage, read_write> h: array<stored>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
@group(0) @binding(4) var<storage, read> weights: array<stored>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> lengths: array<u32>;
@group(0) @binding(7) var<storage, read> upstream: array<stored>;
@group(0) @binding(8) var<storage, read> cRead: array<f32>;
@group(0) @binding(9) var<storage, read_write> carryH: array<f32>;
@group(0) @binding(10) var<storage, read_write> carryC: array<f32>;

fn sigmoid_accurate(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(clamp(-x, -80.0, 80.0)));
}

fn tanh_accurate(x: f32) -> f32 {
  let square = x * x;
  let small = fma(x * square, fma(fma(fma(fma(-5.70498872745e-3, square, 2.06390887954e-2), square,
    -5.37397155531e-2), square, 1.33314422036e-1), square, -3.33332819422e-1), x);
  let large = 1.0 - 2.0 / (1.0 + exp(2.0 * min(abs(x), 10.0)));
  return select(sign(x) * large, small, abs(x) < 0.6);
}

fn timeOf(direction: u32, step: u32) -> u32 {
  return select(step, params.steps - 1u - step, ((params.reverse >> direction) & 1u) == 1u);
}

// The slot of the states before a step.
fn slotBefore(direction: u32, step: u32) -> u32 {
  return select(timeOf(direction, step - 1u), params.steps, step == 0u);
}

// Initial states that are not given are zero, and their slot is never read.
fn hasBefore(step: u32) -> bool {
  return step > 0u || params.hasInitial == 1u;
}

fn ended(row: u32, time: u32) -> bool {
  if (params.hasLengths == 0u) {
    return false;
  }
  return time >= lengths[row];
}

// The step of one row and unit; the arguments i to o hold the recurrent products and bias_hh.
fn finishForward(direction: u32, step: u32, row: u32, unit: u32, i: f32, f: f32, g: f32, o: f32) {
  let H = params.hidden;
  let time = timeOf(direction, step);
  let slot = params.batch * params.width;
  let place = row * params.width + direction * H + unit;
  let before = slotBefore(direction, step) * slot + place;
  let after = time * slot + place;
  var cBefore = 0.0;
  if (hasBefore(step)) {
    cBefore = c[before];
  }
  if (ended(row, time)) {
    h[after] = stored(0.0);
    if (hasBefore(step)) {
      h[after] = stored(f32(h[before]));
    }
    c[after] = cBefore;
    return;
  }
  let at = ((direction * params.steps + time) * params.batch + row) * 4u * H + unit;
  let gateI = sigmoid_accurate(f32(gates[at]) + i);
  let gateF = sigmoid_accurate(f32(gates[at + H]) + f);
  let gateG = tanh_accurate(f32(gates[at + 2u * H]) + g);
  let gateO = sigmoid_accurate(f32(gates[at + 3u * H]) + o);
  let cell = fma(gateF, cBefore, gateI * gateG);
  gates[at] = stored(gateI);
  gates[at + H] = stored(gateF);
  gates[at + 2u * H] = stored(gateG);
  gates[at + 3u * H] = stored(gateO);
  c[after] = cell;
  h[after] = stored(gateO * tanh_accurate(cell));
}

// The step back of one row and unit; `sum` is the gradient of h[t] through the gates of the step after.
fn finishBackward(direction: u32, step: u32, carried: u32, row: u32, unit: u32, sum: f32) {
  let H = params.hidden;
  let time = timeOf(direction, step);
  let slot = params.batch * params.width;
  let place = row * params.width + direction * H + unit;
  var dh = sum;
  var dc = 0.0;
  if (params.hasUpstream == 1u) {
    dh += f32(upstream[time * slot + place]);
  }
  if ((carried & 1u) == 1u) {
    dh += carryH[place];
  }
  if ((carried & 2u) == 2u) {
    dc = carryC[place];
  }
  let at = ((direction * params.steps + time) * params.batch + row) * 4u * H + unit;
  if (ended(row, time)) {
    gates[at] = stored(0.0);
    gates[at + H] = stored(0.0);
    gates[at + 2u * H] = stored(0.0);
    gates[at + 3u * H] = stored(0.0);
    carryH[place] = dh;
    carryC[place] = dc;
    return;
  }
  var cBefore = 0.0;
  if (hasBefore(step)) {
    cBefore = cRead[slotBefore(direction, step) * slot + place];
  }
  let i = f32(gates[at]);
  let f = f32(gates[at + H]);
  let g = f32(gates[at + 2u * H]);
  let o = f32(gates[at + 3u * H]);
  let squashed = tanh_accurate(cRead[time * slot + place]);
  dc += dh * o * (1.0 - squashed * squashed);
  gates[at] = stored(dc * g * i * (1.0 - i));
  gates[at + H] = stored(dc * cBefore * f * (1.0 - f));
  gates[at + 2u * H] = stored(dc * i * (1.0 - g * g));
  gates[at + 3u * H] = stored(dh * squashed * o * (1.0 - o));
  carryC[place] = dc * f;
  if (params.hasLengths == 1u || step == 0u) {
    carryH[place] = 0.0;
  }
}

fn stepForward(direction: u32, step: u32, row0: u32, unit: u32) {
  let H = params.hidden;
  if (unit >= H) {
    return;
  }
  let row = min(vec4u(row0, row0 + 1u, row0 + 2u, row0 + 3u), vec4u(params.batch - 1u));
  let biasAt = direction * 4u * H + unit;
  var i = vec4f(bias[biasAt]);
  var f = vec4f(bias[biasAt + H]);
  var g = vec4f(bias[biasAt + 2u * H]);
  var o = vec4f(bias[biasAt + 3u * H]);
  if (hasBefore(step)) {
    let place = (slotBefore(direction, step) * params.batch + row) * params.width + direction * H;
    var w = direction * H * 4u * H + unit;
    for (var k = 0u; k < H; k++) {
      let x = vec4f(f32(h[place.x + k]), f32(h[place.y + k]), f32(h[place.z + k]), f32(h[place.w + k]));
      i = fma(x, vec4f(f32(weights[w])), i);
      f = fma(x, vec4f(f32(weights[w + H])), f);
      g = fma(x, vec4f(f32(weights[w + 2u * H])), g);
      o = fma(x, vec4f(f32(weights[w + 3u * H])), o);
      w += 4u * H;
    }
  }
  let rows = min(4u, params.batch - row0);
  for (var j = 0u; j < rows; j++) {
    finishForward(direction, step, row0 + j, unit, i[j], f[j], g[j], o[j]);
  }
}

fn stepBackward(direction: u32, step: u32, carried: u32, row0: u32, unit: u32) {
  let H = params.hidden;
  if (unit >= H) {
    return;
  }
  let row = min(vec4u(row0, row0 + 1u, row0 + 2u, row0 + 3u), vec4u(params.batch - 1u));
  var sum = vec4f();
  if (step + 1u < params.steps) {
    let after = timeOf(direction, step + 1u);
    var w = direction * 4u * H * H + unit;
    let place = ((direction * params.steps + after) * params.batch + row) * 4u * H;
    for (var k = 0u; k < 4u * H; k++) {
      let x = vec4f(f32(gates[place.x + k]), f32(gates[place.y + k]), f32(gates[place.z + k]), f32(gates[place.w + k]));
      sum = fma(x, vec4f(f32(weights[w])), sum);
      w += H;
    }
  }
  let rows = min(4u, params.batch - row0);
  for (var j = 0u; j < rows; j++) {
    finishBackward(direction, step, carried, row0 + j, unit, sum[j]);
  }
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  stepForward(id.z, params.step, id.y * 4u, id.x);
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u) {
  stepBackward(id.z, params.step, params.hasCarry, id.y * 4u, id.x);
}

@compute @workgroup_size(64)
fn forward_steps(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  for (var step = params.step; step < params.step + params.count; step++) {
    for (var unit = lane; unit < params.hidden; unit += 64u) {
      stepForward(group.z, step, group.y * 4u, unit);
    }
    storageBarrier();
  }
}

@compute @workgroup_size(64)
fn backward_steps(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var carried = params.hasCarry;
  for (var back = 0u; back < params.count; back++) {
    for (var unit = lane; unit < params.hidden; unit += 64u) {
      stepBackward(group.z, params.step - back, carried, group.y * 4u, unit);
    }
    carried = 2u | params.hasLengths;
    storageBarrier();
  }
}
