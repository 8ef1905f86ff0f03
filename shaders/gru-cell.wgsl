// One GRU step of all directions, the reset after the recurrent product (PyTorch's form); a row of the batch that has
// ended (t >= length) keeps its state.
//   [r z] = sigmoid(gates[t] + bias + h[t-1] W_hhᵀ)      q = bias_n + h[t-1] W_hnᵀ
//   n = tanh(gates_n[t] + r q)                           h[t] = (1 - z) n + z h[t-1]
// Direction d works at time t = step, or T-1-step where bit d of `reverse` is set; "t-1" is the time of the step
// before, whose slot is T (the initial state) at step 0. Each product is summed over k in order, starting from the
// bias, whatever the batch.
//
// forward
//   gates    [D, T, B, 4H]  in: products with the input in r, z, n, bias_ih included; out: activated r, z, n, and q
//   h        [T+1, B, D·H]  read at t-1, written at t
//   weights  [D, H, 3H]     weight_hh transposed
//   bias     [D, 3H]        bias_hh
//   lengths  [B]            read where hasLengths = 1
// backward
//   gates    [D, T, B, 4H]  at t in: r, z, n, q; out: gradients before the activations of r, z, n, and of q;
//                           read at t+1
//   h        [T+1, B, D·H]  read (as hRead)
//   weights  [D, 3H, H]     weight_hh
//   upstream [T, B, D·H]    gradient of h after each step; read where hasUpstream = 1
//   carry    [B, D·H]       in: gradient of h[t] besides upstream and the gates at t+1 (where hasCarry = 1);
//                           out: what goes on to h[t-1] besides the gates at t
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
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> lengths: array<u32>;
@group(0) @binding(6) var<storage, read> upstream: array<f32>;
@group(0) @binding(7) var<storage, read> hRead: array<f32>;
@group(0) @binding(8) var<storage, read_write> carry: array<f32>;

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

  let biasAt = direction * 3u * H + unit;
  var r4 = vec4f(bias[biasAt]);
  var z4 = vec4f(bias[biasAt + H]);
  var q4 = vec4f(bias[biasAt + 2u * H]);
  if (hasBefore) {
    let source = (vec4u(before * params.batch) + row) * params.width + direction * H;
    var w = direction * H * 3u * H + unit;
    for (var k = 0u; k < H; k++) {
      let x = vec4f(h[source.x + k], h[source.y + k], h[source.z + k], h[source.w + k]);
      r4 = fma(x, vec4f(weights[w]), r4);
      z4 = fma(x, vec4f(weights[w + H]), z4);
      q4 = fma(x, vec4f(weights[w + 2u * H]), q4);
      w += 3u * H;
    }
  }
  if (group.x * threads + local.x >= H) {
    return;
  }
  for (var i = 0u; i < rows && row0 + i < params.batch; i++) {
    let b = row0 + i;
    let stateAt = b * params.width + direction * H + unit;
    let slot = params.batch * params.width;
    var hBefore = 0.0;
    if (hasBefore) {
      hBefore = h[before * slot + stateAt];
    }
    if (ended(b, time)) {
      h[time * slot + stateAt] = hBefore;
      continue;
    }
    let at = ((direction * params.steps + time) * params.batch + b) * 4u * H + unit;
    let r = sigmoid_accurate(gates[at] + r4[i]);
    let z = sigmoid_accurate(gates[at + H] + z4[i]);
    let n = tanh_accurate(fma(r, q4[i], gates[at + 2u * H]));
    gates[at] = r;
    gates[at + H] = z;
    gates[at + 2u * H] = n;
    gates[at + 3u * H] = q4[i];
    h[time * slot + stateAt] = fma(z, hBefore - n, n);
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
    var w = direction * 3u * H * H + unit;
    for (var k = 0u; k < 3u * H; k++) {
      // The third block of weight_hh goes with the fourth slot.
      let x = source + select(k, k + H, k >= 2u * H);
      dh = fma(vec4f(gates[x.x], gates[x.y], gates[x.z], gates[x.w]), vec4f(weights[w]), dh);
      w += H;
    }
  }
  if (group.x * threads + local.x >= H) {
    return;
  }
  for (var i = 0u; i < rows && row0 + i < params.batch; i++) {
    let b = row0 + i;
    let stateAt = b * params.width + direction * H + unit;
    let slot = params.batch * params.width;
    var dhRow = dh[i];
    if (params.hasUpstream == 1u) {
      dhRow += upstream[time * slot + stateAt];
    }
    if (params.hasCarry == 1u) {
      dhRow += carry[stateAt];
    }
    let at = ((direction * params.steps + time) * params.batch + b) * 4u * H + unit;
    if (ended(b, time)) {
      gates[at] = 0.0;
      gates[at + H] = 0.0;
      gates[at + 2u * H] = 0.0;
      gates[at + 3u * H] = 0.0;
      carry[stateAt] = dhRow;
      continue;
    }
    var hBefore = 0.0;
    if (hasBefore) {
      hBefore = hRead[slotBefore(direction) * slot + stateAt];
    }
    let r = gates[at];
    let z = gates[at + H];
    let n = gates[at + 2u * H];
    let q = gates[at + 3u * H];
    let dn = dhRow * (1.0 - z) * (1.0 - n * n);
    gates[at] = dn * q * r * (1.0 - r);
    gates[at + H] = dhRow * (hBefore - n) * z * (1.0 - z);
    gates[at + 2u * H] = dn;
    gates[at + 3u * H] = dn * r;
    carry[stateAt] = dhRow * z;
  }
}
