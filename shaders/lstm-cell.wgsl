// One LSTM step of all directions; a row of the batch that has ended (t >= length) keeps its state.
//   [i f g o] = gates[t] + bias + h[t-1] W_hhᵀ,  then sigmoid, sigmoid, tanh, sigmoid
//   c[t] = f c[t-1] + i g        h[t] = o tanh(c[t])
// Direction d works at time t = step, or T-1-step where bit d of `reverse` is set; "t-1" is the time of the step
// before, whose slot is T (the initial state) at step 0. Each product is summed over k in order, starting from the
// bias, whatever the batch.
//
// forward
//   gates    [D, T, B, 4H]  in: products with the input, bias_ih included; out: activated gates
//   h, c     [T+1, B, D·H]  read at t-1, written at t
//   weights  [D, H, 4H]     weight_hh transposed
//   bias     [D, 4H]        bias_hh
//   lengths  [B]            read where hasLengths = 1
// backward
//   gates    [D, T, B, 4H]  at t in: activated gates, out: gradients before the activations; read at t+1
//   c        [T+1, B, D·H]  read (as cRead)
//   weights  [D, 4H, H]     weight_hh
//   upstream [T, B, D·H]    gradient of h after each step; read where hasUpstream = 1
//   carryH   [B, D·H]       in: gradient of h[t] besides upstream and the gates at t+1 (where bit 0 of hasCarry is set)
//   carryC   [B, D·H]       in: gradient of c[t] (bit 1); out, both: what goes on to t-1
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
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> gates: array<f32>;
@group(0) @binding(2) var<storage, read_write> h: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
@group(0) @binding(4) var<storage, read> weights: array<f32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> lengths: array<u32>;
@group(0) @binding(7) var<storage, read> upstream: array<f32>;
@group(0) @binding(8) var<storage, read> cRead: array<f32>;
@group(0) @binding(9) var<storage, read_write> carryH: array<f32>;
@group(0) @binding(10) var<storage, read_write> carryC: array<f32>;

const rows = 4u; // of the batch, a thread
const threads = 64u;

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

// The slot of the state before this step.
fn slotBefore(direction: u32) -> u32 {
  return select(timeOf(direction, params.step - 1u), params.steps, params.step == 0u);
}

fn ended(row: u32, time: u32) -> bool {
  if (params.hasLengths == 0u) {
    return false;
  }
  return time >= lengths[row];
}

@compute @workgroup_size(threads)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let H = params.hidden;
  let direction = group.z;
  let unit = min(group.x * threads + local.x, H - 1u);
  let row0 = group.y * rows;
  let last = params.batch - 1u;
  let row = min(vec4u(row0, row0 + 1u, row0 + 2u, row0 + 3u), vec4u(last));
  let time = timeOf(direction, params.step);
  let before = slotBefore(direction);
  let hasBefore = params.step > 0u || params.hasInitial == 1u;

  let biasAt = direction * 4u * H + unit;
  var i = vec4f(bias[biasAt]);
  var f = vec4f(bias[biasAt + H]);
  var g = vec4f(bias[biasAt + 2u * H]);
  var o = vec4f(bias[biasAt + 3u * H]);
  if (hasBefore) {
    let source = (vec4u(before * params.batch) + row) * params.width + direction * H;
    var w = direction * H * 4u * H + unit;
    for (var k = 0u; k < H; k++) {
      let x = vec4f(h[source.x + k], h[source.y + k], h[source.z + k], h[source.w + k]);
      i = fma(x, vec4f(weights[w]), i);
      f = fma(x, vec4f(weights[w + H]), f);
      g = fma(x, vec4f(weights[w + 2u * H]), g);
      o = fma(x, vec4f(weights[w + 3u * H]), o);
      w += 4u * H;
    }
  }
  if (group.x * threads + local.x >= H) {
    return;
  }
  for (var r = 0u; r < rows && row0 + r < params.batch; r++) {
    let b = row0 + r;
    let stateAt = b * params.width + direction * H + unit;
    let slot = params.batch * params.width;
    var hBefore = 0.0;
    var cBefore = 0.0;
    if (hasBefore) {
      hBefore = h[before * slot + stateAt];
      cBefore = c[before * slot + stateAt];
    }
    if (ended(b, time)) {
      h[time * slot + stateAt] = hBefore;
      c[time * slot + stateAt] = cBefore;
      continue;
    }
    let at = ((direction * params.steps + time) * params.batch + b) * 4u * H + unit;
    let gateI = sigmoid_accurate(gates[at] + i[r]);
    let gateF = sigmoid_accurate(gates[at + H] + f[r]);
    let gateG = tanh_accurate(gates[at + 2u * H] + g[r]);
    let gateO = sigmoid_accurate(gates[at + 3u * H] + o[r]);
    let cell = fma(gateF, cBefore, gateI * gateG);
    gates[at] = gateI;
    gates[at + H] = gateF;
    gates[at + 2u * H] = gateG;
    gates[at + 3u * H] = gateO;
    c[time * slot + stateAt] = cell;
    h[time * slot + stateAt] = gateO * tanh_accurate(cell);
  }
}

@compute @workgroup_size(threads)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let H = params.hidden;
  let direction = group.z;
  let unit = min(group.x * threads + local.x, H - 1u);
  let row0 = group.y * rows;
  let last = params.batch - 1u;
  let row = min(vec4u(row0, row0 + 1u, row0 + 2u, row0 + 3u), vec4u(last));
  let time = timeOf(direction, params.step);
  let hasBefore = params.step > 0u || params.hasInitial == 1u;

  // The gradient of h[t] through the gates of the step after.
  var dh = vec4f();
  if (params.step + 1u < params.steps) {
    let after = timeOf(direction, params.step + 1u);
    let source = (vec4u((direction * params.steps + after) * params.batch) + row) * 4u * H;
    var w = direction * 4u * H * H + unit;
    for (var k = 0u; k < 4u * H; k++) {
      let x = vec4f(gates[source.x + k], gates[source.y + k], gates[source.z + k], gates[source.w + k]);
      dh = fma(x, vec4f(weights[w]), dh);
      w += H;
    }
  }
  if (group.x * threads + local.x >= H) {
    return;
  }
  for (var r = 0u; r < rows && row0 + r < params.batch; r++) {
    let b = row0 + r;
    let stateAt = b * params.width + direction * H + unit;
    let slot = params.batch * params.width;
    var dhRow = dh[r];
    var dc = 0.0;
    if (params.hasUpstream == 1u) {
      dhRow += upstream[time * slot + stateAt];
    }
    if ((params.hasCarry & 1u) == 1u) {
      dhRow += carryH[stateAt];
    }
    if ((params.hasCarry & 2u) == 2u) {
      dc = carryC[stateAt];
    }
    let at = ((direction * params.steps + time) * params.batch + b) * 4u * H + unit;
    if (ended(b, time)) {
      gates[at] = 0.0;
      gates[at + H] = 0.0;
      gates[at + 2u * H] = 0.0;
      gates[at + 3u * H] = 0.0;
      carryH[stateAt] = dhRow;
      carryC[stateAt] = dc;
      continue;
    }
    var cBefore = 0.0;
    if (hasBefore) {
      cBefore = cRead[slotBefore(direction) * slot + stateAt];
    }
    let i = gates[at];
    let f = gates[at + H];
    let g = gates[at + 2u * H];
    let o = gates[at + 3u * H];
    let squashed = tanh_accurate(cRead[time * slot + stateAt]);
    dc += dhRow * o * (1.0 - squashed * squashed);
    gates[at] = dc * g * i * (1.0 - i);
    gates[at + H] = dc * cBefore * f * (1.0 - f);
    gates[at + 2u * H] = dc * i * (1.0 - g * g);
    gates[at + 3u * H] = dhRow * squashed * o * (1.0 - o);
    carryH[stateAt] = 0.0;
    carryC[stateAt] = dc * f;
  }
}
