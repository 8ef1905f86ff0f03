// One step of the GRU as first published (Cho et al. 2014), all directions, the reset before the recurrent product
// (Keras: reset_after=False, ONNX: linear_before_reset=0); a row of the batch that has ended (t >= length) keeps its
// state.
//   [r z] = sigmoid(gates[t] + bias_hh + h[t-1] W_hhᵀ)     q = r h[t-1]
//   n = tanh(gates_n[t] + bias_hn + q W_hnᵀ)               h[t] = (1 - z) n + z h[t-1]
// Direction d works at time t = step, or T-1-step where bit d of `reverse` is set; "t-1" is the time of the step
// before, whose slot is T (the initial state) at step 0. A unit's n takes the q of all units, and the gradient of its q
// that of all n: a step is two dispatches there and two back. A row's products are summed over k in order, starting with
// the bias: the same to the bit in any batch.
//
// In every entry a thread owns 4 rows of the batch and one unit. The gates' slots are r, z, n, q.
//   gates    [D, T, B, 4H]  see the entries
//   h        [T+1, B, D·H]  read at t-1 (forwardState: own unit only), written at t
//   hRead    [T+1, B, D·H]  the same where it is only read
//   weights  [D, H, 3H]     forward: weight_hh transposed;  [D, 3H, H] backward: weight_hh
//   bias     [D, 3H]        bias_hh
//   lengths  [B]            read where hasLengths = 1
//   upstream [T, B, D·H]    gradient of h after each step; read where hasUpstream = 1
//   carry    [B, D·H]       gradient of h[t] besides upstream and r and z at t+1 (read where hasCarry = 1), then what goes
//                           on to h[t-1] besides r and z at t
// forwardGates   gates r, z in: products with the input, bias_ih included; out: activated;  q out, 0 in ended rows
// forwardState   gates n in: product with the input, out: activated;  q in;  h out
// backwardState  gates z, n in: activated, out: gradients before the activation;  r, z in at t+1: their gradients.
//                Ended rows: r, z, n out: 0
// backwardGates  gates n in: its gradient;  r in: activated, out: gradient before the activation;  q in
// q stays what forwardGates wrote. Nothing that is written may share a buffer with anything else.

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

alias stored = f32; // or f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> gates: array<stored>;
@group(0) @binding(2) var<storage, read_write> h: array<stored>;
@group(0) @binding(3) var<storage, read> weights: array<stored>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> lengths: array<u32>;
@group(0) @binding(6) var<storage, read> upstream: array<stored>;
@group(0) @binding(7) var<storage, read> hRead: array<stored>;
@group(0) @binding(8) var<storage, read_write> carry: array<f32>;

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

// The slot of the states before this step.
fn slotBefore(direction: u32) -> u32 {
  return select(timeOf(direction, params.step - 1u), params.steps, params.step == 0u);
}

// Initial states that are not given are zero, and their slot is never read.
fn hasBefore() -> bool {
  return params.step > 0u || params.hasInitial == 1u;
}

fn ended(row: u32, time: u32) -> bool {
  if (params.hasLengths == 0u) {
    return false;
  }
  return time >= lengths[row];
}

// Where 4 rows of the batch from `row0` on lie in the gates; rows beyond the batch repeat its last.
fn gateRows(direction: u32, time: u32, row0: u32) -> vec4u {
  let row = min(vec4u(row0, row0 + 1u, row0 + 2u, row0 + 3u), vec4u(params.batch - 1u));
  return ((direction * params.steps + time) * params.batch + row) * 4u * params.hidden;
}

@compute @workgroup_size(64)
fn forwardGates(@builtin(global_invocation_id) id: vec3u) {
  let H = params.hidden;
  let unit = id.x;
  if (unit >= H) {
    return;
  }
  let direction = id.z;
  let row0 = id.y * 4u;
  let row = min(vec4u(row0, row0 + 1u, row0 + 2u, row0 + 3u), vec4u(params.batch - 1u));
  let before = (slotBefore(direction) * params.batch + row) * params.width + direction * H;
  let biasAt = direction * 3u * H + unit;
  var r = vec4f(bias[biasAt]);
  var z = vec4f(bias[biasAt + H]);
  var hBefore = vec4f();
  if (hasBefore()) {
    hBefore = vec4f(
      f32(hRead[before.x + unit]),
      f32(hRead[before.y + unit]),
      f32(hRead[before.z + unit]),
      f32(hRead[before.w + unit]),
    );
    var w = direction * H * 3u * H + unit;
    for (var k = 0u; k < H; k++) {
      let x = vec4f(
        f32(hRead[before.x + k]),
        f32(hRead[before.y + k]),
        f32(hRead[before.z + k]),
        f32(hRead[before.w + k]),
      );
      r = fma(x, vec4f(f32(weights[w])), r);
      z = fma(x, vec4f(f32(weights[w + H])), z);
      w += 3u * H;
    }
  }
  let time = timeOf(direction, params.step);
  let place = gateRows(direction, time, row0);
  let rows = min(4u, params.batch - row0);
  for (var j = 0u; j < rows; j++) {
    let at = place[j] + unit;
    if (ended(row0 + j, time)) {
      gates[at + 3u * H] = stored(0.0);
      continue;
    }
    let gateR = sigmoid_accurate(f32(gates[at]) + r[j]);
    gates[at] = stored(gateR);
    gates[at + H] = stored(sigmoid_accurate(f32(gates[at + H]) + z[j]));
    gates[at + 3u * H] = stored(gateR * hBefore[j]);
  }
}

@compute @workgroup_size(64)
fn forwardState(@builtin(global_invocation_id) id: vec3u) {
  let H = params.hidden;
  let unit = id.x;
  if (unit >= H) {
    return;
  }
  let direction = id.z;
  let row0 = id.y * 4u;
  let time = timeOf(direction, params.step);
  let place = gateRows(direction, time, row0);
  var product = vec4f(bias[direction * 3u * H + 2u * H + unit]);
  if (hasBefore()) {
    let q = place + 3u * H;
    var w = direction * H * 3u * H + 2u * H + unit;
    for (var k = 0u; k < H; k++) {
      let x = vec4f(f32(gates[q.x + k]), f32(gates[q.y + k]), f32(gates[q.z + k]), f32(gates[q.w + k]));
      product = fma(x, vec4f(f32(weights[w])), product);
      w += 3u * H;
    }
  }
  let slot = params.batch * params.width;
  let rows = min(4u, params.batch - row0);
  for (var j = 0u; j < rows; j++) {
    let own = (row0 + j) * params.width + direction * H + unit;
    var hBefore = 0.0;
    if (hasBefore()) {
      hBefore = f32(h[slotBefore(direction) * slot + own]);
    }
    if (ended(row0 + j, time)) {
      h[time * slot + own] = stored(hBefore);
      continue;
    }
    let at = place[j] + unit;
    let n = tanh_accurate(f32(gates[at + 2u * H]) + product[j]);
    gates[at + 2u * H] = stored(n);
    h[time * slot + own] = stored(fma(f32(gates[at + H]), hBefore - n, n));
  }
}

@compute @workgroup_size(64)
fn backwardState(@builtin(global_invocation_id) id: vec3u) {
  let H = params.hidden;
  let unit = id.x;
  if (unit >= H) {
    return;
  }
  let direction = id.z;
  let row0 = id.y * 4u;
  var sum = vec4f();
  if (params.step + 1u < params.steps) {
    let after = gateRows(direction, timeOf(direction, params.step + 1u), row0);
    var w = direction * 3u * H * H + unit;
    // The rows of r and z are neighbours in the gates as in weight_hh.
    for (var k = 0u; k < 2u * H; k++) {
      let x = vec4f(f32(gates[after.x + k]), f32(gates[after.y + k]), f32(gates[after.z + k]), f32(gates[after.w + k]));
      sum = fma(x, vec4f(f32(weights[w])), sum);
      w += H;
    }
  }
  let time = timeOf(direction, params.step);
  let place = gateRows(direction, time, row0);
  let slot = params.batch * params.width;
  let rows = min(4u, params.batch - row0);
  for (var j = 0u; j < rows; j++) {
    let own = (row0 + j) * params.width + direction * H + unit;
    var dh = sum[j];
    if (params.hasUpstream == 1u) {
      dh += f32(upstream[time * slot + own]);
    }
    if (params.hasCarry == 1u) {
      dh += carry[own];
    }
    let at = place[j] + unit;
    if (ended(row0 + j, time)) {
      gates[at] = stored(0.0);
      gates[at + H] = stored(0.0);
      gates[at + 2u * H] = stored(0.0);
      carry[own] = dh;
      continue;
    }
    var hBefore = 0.0;
    if (hasBefore()) {
      hBefore = f32(hRead[slotBefore(direction) * slot + own]);
    }
    let z = f32(gates[at + H]);
    let n = f32(gates[at + 2u * H]);
    gates[at + H] = stored(dh * (hBefore - n) * z * (1.0 - z));
    gates[at + 2u * H] = stored(dh * (1.0 - z) * (1.0 - n * n));
    carry[own] = dh * z;
  }
}

// Ended rows need no care: all that is read of their gates is 0 by now, and the carry gets 0 on top.
@compute @workgroup_size(64)
fn backwardGates(@builtin(global_invocation_id) id: vec3u) {
  let H = params.hidden;
  let unit = id.x;
  if (unit >= H) {
    return;
  }
  let direction = id.z;
  let row0 = id.y * 4u;
  let place = gateRows(direction, timeOf(direction, params.step), row0);
  let dn = place + 2u * H;
  var dq = vec4f();
  var w = direction * 3u * H * H + 2u * H * H + unit;
  for (var k = 0u; k < H; k++) {
    let x = vec4f(f32(gates[dn.x + k]), f32(gates[dn.y + k]), f32(gates[dn.z + k]), f32(gates[dn.w + k]));
    dq = fma(x, vec4f(f32(weights[w])), dq);
    w += H;
  }
  let rows = min(4u, params.batch - row0);
  for (var j = 0u; j < rows; j++) {
    let at = place[j] + unit;
    let r = f32(gates[at]);
    gates[at] = stored(dq[j] * f32(gates[at + 3u * H]) * (1.0 - r));
    carry[(row0 + j) * params.width + direction * H + unit] += dq[j] * r;
  }
}
