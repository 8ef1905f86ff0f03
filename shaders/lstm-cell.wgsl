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
//   weights  [D, H, H, 4]   weight_hh by k, unit, gate (recurrent-weights.wgsl)
//   bias     [D, 4H]        bias_hh
//   lengths  [B]            read where hasLengths = 1
// backward: a thread owns 4 rows of the batch and 4 units
//   gates    [D, T, B, 4H]  at t in: activated gates, out: gradients before the activations; read at t+1
//   c        [T+1, B, D·H]  read (as cRead)
//   weights  [D, 4H, H4]    weight_hh, rows padded to H4, the next multiple of 4
//   upstream [T, B, D·H]    gradient of h after each step; read where hasUpstream = 1
//   carryH   [B, D·H]       in: gradient of h[t] besides upstream and the gates at t+1 (where bit 0 of hasCarry is
//                           set); out: what goes on to h[t-1] besides the gates at t. Nothing does without lengths:
//                           then it is written at step 0 only
//   carryC   [B, D·H]       in: gradient of c[t] (bit 1); out: of c[t-1]
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
@group(0) @binding(4) var<storage, read> weights: array<vec4f>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> lengths: array<u32>;
@group(0) @binding(7) var<storage, read> upstream: array<f32>;
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

// Row r of the result is sum[r] + rows[r] · columns.
fn outer(sum: mat4x4f, rows: vec4f, columns: vec4f) -> mat4x4f {
  return mat4x4f(
    fma(rows.xxxx, columns, sum[0]),
    fma(rows.yyyy, columns, sum[1]),
    fma(rows.zzzz, columns, sum[2]),
    fma(rows.wwww, columns, sum[3]),
  );
}

// The step of one row and unit; `sum` holds the recurrent products and bias_hh.
fn finishForward(direction: u32, row: u32, unit: u32, sum: vec4f) {
  let H = params.hidden;
  let time = timeOf(direction, params.step);
  let slot = params.batch * params.width;
  let place = row * params.width + direction * H + unit;
  var cBefore = 0.0;
  if (hasBefore()) {
    cBefore = c[slotBefore(direction) * slot + place];
  }
  if (ended(row, time)) {
    var hBefore = 0.0;
    if (hasBefore()) {
      hBefore = h[slotBefore(direction) * slot + place];
    }
    h[time * slot + place] = hBefore;
    c[time * slot + place] = cBefore;
    return;
  }
  let at = ((direction * params.steps + time) * params.batch + row) * 4u * H + unit;
  let i = sigmoid_accurate(gates[at] + sum.x);
  let f = sigmoid_accurate(gates[at + H] + sum.y);
  let g = tanh_accurate(gates[at + 2u * H] + sum.z);
  let o = sigmoid_accurate(gates[at + 3u * H] + sum.w);
  let cell = fma(f, cBefore, i * g);
  gates[at] = i;
  gates[at + H] = f;
  gates[at + 2u * H] = g;
  gates[at + 3u * H] = o;
  c[time * slot + place] = cell;
  h[time * slot + place] = o * tanh_accurate(cell);
}

// The step back of one row and unit; `sum` is the gradient of h[t] through the gates of the step after.
fn finishBackward(direction: u32, row: u32, unit: u32, sum: f32) {
  let H = params.hidden;
  let time = timeOf(direction, params.step);
  let slot = params.batch * params.width;
  let place = row * params.width + direction * H + unit;
  var dh = sum;
  var dc = 0.0;
  if (params.hasUpstream == 1u) {
    dh += upstream[time * slot + place];
  }
  if ((params.hasCarry & 1u) == 1u) {
    dh += carryH[place];
  }
  if ((params.hasCarry & 2u) == 2u) {
    dc = carryC[place];
  }
  let at = ((direction * params.steps + time) * params.batch + row) * 4u * H + unit;
  if (ended(row, time)) {
    gates[at] = 0.0;
    gates[at + H] = 0.0;
    gates[at + 2u * H] = 0.0;
    gates[at + 3u * H] = 0.0;
    carryH[place] = dh;
    carryC[place] = dc;
    return;
  }
  var cBefore = 0.0;
  if (hasBefore()) {
    cBefore = cRead[slotBefore(direction) * slot + place];
  }
  let i = gates[at];
  let f = gates[at + H];
  let g = gates[at + 2u * H];
  let o = gates[at + 3u * H];
  let squashed = tanh_accurate(cRead[time * slot + place]);
  dc = fma(dh * o, 1.0 - squashed * squashed, dc);
  gates[at] = dc * g * i * (1.0 - i);
  gates[at + H] = dc * cBefore * f * (1.0 - f);
  gates[at + 2u * H] = dc * i * (1.0 - g * g);
  gates[at + 3u * H] = dh * squashed * o * (1.0 - o);
  carryC[place] = dc * f;
  if (params.hasLengths == 1u || params.step == 0u) {
    carryH[place] = 0.0;
  }
}

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let H = params.hidden;
  let direction = group.z;
  let row0 = group.y * 4u;
  let row = min(vec4u(row0, row0 + 1u, row0 + 2u, row0 + 3u), vec4u(params.batch - 1u));
  let lane = group.x * 64u + local.x;
  let unit = min(lane, H - 1u);
  let biasAt = direction * 4u * H + unit;
  let start = vec4f(bias[biasAt], bias[biasAt + H], bias[biasAt + 2u * H], bias[biasAt + 3u * H]);
  let starts = mat4x4f(start, start, start, start);
  var sum = starts;
  if (hasBefore()) {
    let place = (slotBefore(direction) * params.batch + row) * params.width + direction * H;
    var w = direction * H * H + unit;
    for (var k = 0u; k < H; k++) {
      let rows = vec4f(h[place.x + k], h[place.y + k], h[place.z + k], h[place.w + k]);
      sum = outer(sum, rows, weights[w]);
      w += H;
    }
  }
  if (lane >= H) {
    return;
  }
  // Indexed by a variable, so not the same variable that the loop adds to.
  let sums = array<vec4f, 4>(sum[0], sum[1], sum[2], sum[3]);
  let rows = min(4u, params.batch - row0);
  for (var r = 0u; r < rows; r++) {
    finishForward(direction, row0 + r, unit, sums[r]);
  }
}

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let H = params.hidden;
  let direction = group.z;
  let row0 = group.y * 4u;
  let row = min(vec4u(row0, row0 + 1u, row0 + 2u, row0 + 3u), vec4u(params.batch - 1u));
  let unit0 = (group.x * 64u + local.x) * 4u;
  var sum = mat4x4f();
  if (params.step + 1u < params.steps) {
    let after = timeOf(direction, params.step + 1u);
    let place = ((direction * params.steps + after) * params.batch + row) * 4u * H;
    let columns = (H + 3u) / 4u;
    var w = direction * 4u * H * columns + min(unit0 / 4u, columns - 1u);
    for (var k = 0u; k < 4u * H; k++) {
      let rows = vec4f(gates[place.x + k], gates[place.y + k], gates[place.z + k], gates[place.w + k]);
      sum = outer(sum, rows, weights[w]);
      w += columns;
    }
  }
  // Indexed by a variable, so not the same variable that the loop adds to.
  let sums = array<vec4f, 4>(sum[0], sum[1], sum[2], sum[3]);
  let rows = min(4u, params.batch - row0);
  for (var i = 0u; i < 4u * rows; i++) {
    let r = i / 4u;
    let j = i & 3u;
    if (unit0 + j < H) {
      finishBackward(direction, row0 + r, unit0 + j, sums[r][j]);
    }
  }
}
