// As rnn-cell.wgsl, for adapters that run on the CPU and have subgroups. There a load from storage costs as much as a
// dozen multiplications, so the four lanes of a quad load four rows each and pass them round.
//
// One step of the simple cell in all directions; a row of the batch that has ended (t >= length) keeps its state.
//   h[t] = act(gates[t] + bias_hh + h[t-1] W_hhᵀ),   act = tanh, or relu where relu = 1
// Direction d works at time t = step, or T-1-step where bit d of `reverse` is set; "t-1" is the time of the step
// before, whose slot is T (the initial state) at step 0. A row's products are summed over k in order, starting with the
// bias: the same to the bit in any batch and in `rnn-cell.wgsl`.
//
// forward: a quad owns 16 rows of the batch, each of its lanes 4 units
//   gates    [D, T, B, H]   in: products with the input, bias_ih included; out: the activated value
//   h        [T+1, B, D·H]  read at t-1, written at t
//   weights  [D, H, H4]     weight_hh by k, unit, rows padded to H4, the next multiple of 4 (recurrent-weights.wgsl)
//   bias     [D, H]         bias_hh
//   lengths  [B]            read where hasLengths = 1
// backward: a quad owns 16 rows of the batch, each of its lanes 4 units
//   gates    [D, T, B, H]   at t in: activated values, out: gradients before the activation; read at t+1
//   weights  [D, H, H4]     weight_hh, rows padded
//   upstream [T, B, D·H]    gradient of h after each step; read where hasUpstream = 1
//   carry    [B, D·H]       in: gradient of h[t] besides upstream and the gates at t+1 (where hasCarry = 1); out: what
//                           goes on to h[t-1] besides the gates at t. Nothing does without lengths: then it is
//                           written at step 0 only
// Nothing that is written may share a buffer with anything else.

enable subgroups;

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
  relu: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> gates: array<f32>;
@group(0) @binding(2) var<storage, read_write> h: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> lengths: array<u32>;
@group(0) @binding(6) var<storage, read> upstream: array<f32>;
@group(0) @binding(7) var<storage, read_write> carry: array<f32>;

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
fn finishForward(direction: u32, row: u32, unit: u32, sum: f32) {
  let H = params.hidden;
  let time = timeOf(direction, params.step);
  let slot = params.batch * params.width;
  let place = row * params.width + direction * H + unit;
  if (ended(row, time)) {
    var hBefore = 0.0;
    if (hasBefore()) {
      hBefore = h[slotBefore(direction) * slot + place];
    }
    h[time * slot + place] = hBefore;
    return;
  }
  let at = ((direction * params.steps + time) * params.batch + row) * H + unit;
  let total = gates[at] + sum;
  var value = max(total, 0.0);
  if (params.relu == 0u) {
    value = tanh_accurate(total);
  }
  gates[at] = value;
  h[time * slot + place] = value;
}

// The step back of one row and unit; `sum` is the gradient of h[t] through the gates of the step after.
fn finishBackward(direction: u32, row: u32, unit: u32, sum: f32) {
  let H = params.hidden;
  let time = timeOf(direction, params.step);
  let slot = params.batch * params.width;
  let place = row * params.width + direction * H + unit;
  var dh = sum;
  if (params.hasUpstream == 1u) {
    dh += upstream[time * slot + place];
  }
  if (params.hasCarry == 1u) {
    dh += carry[place];
  }
  let at = ((direction * params.steps + time) * params.batch + row) * H + unit;
  if (ended(row, time)) {
    gates[at] = 0.0;
    carry[place] = dh;
    return;
  }
  let value = gates[at];
  var slope = select(0.0, 1.0, value > 0.0);
  if (params.relu == 0u) {
    slope = 1.0 - value * value;
  }
  gates[at] = dh * slope;
  if (params.hasLengths == 1u || params.step == 0u) {
    carry[place] = 0.0;
  }
}

// The sums of a quad's 16 rows, as the lane with place q in the quad holds them: its own four rows, row0 + 4q and on, and
// those of lanes q^1, q^2 and q^3.
struct Sums {
  own: mat4x4f,
  x: mat4x4f,
  y: mat4x4f,
  diagonal: mat4x4f,
}

fn accumulate(sums: Sums, rows: vec4f, columns: vec4f) -> Sums {
  return Sums(
    outer(sums.own, rows, columns),
    outer(sums.x, quadSwapX(rows), columns),
    outer(sums.y, quadSwapY(rows), columns),
    outer(sums.diagonal, quadSwapDiagonal(rows), columns),
  );
}

@compute @workgroup_size(8)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(subgroup_invocation_id) subgroupLane: u32,
) {
  let H = params.hidden;
  let direction = group.z;
  let row0 = group.y * 16u;
  let q = subgroupLane & 3u;
  let first = row0 + 4u * q;
  let row = min(vec4u(first, first + 1u, first + 2u, first + 3u), vec4u(params.batch - 1u));
  let unit0 = (group.x * 8u + local.x) * 4u;
  let unit = min(vec4u(unit0, unit0 + 1u, unit0 + 2u, unit0 + 3u), vec4u(H - 1u)) + direction * H;
  let start = vec4f(bias[unit.x], bias[unit.y], bias[unit.z], bias[unit.w]);
  let starts = mat4x4f(start, start, start, start);
  var sum = Sums(starts, starts, starts, starts);
  if (hasBefore()) {
    let place = (slotBefore(direction) * params.batch + row) * params.width + direction * H;
    let columns = (H + 3u) / 4u;
    var w = direction * H * columns + min(unit0 / 4u, columns - 1u);
    for (var k = 0u; k < H; k++) {
      let rows = vec4f(h[place.x + k], h[place.y + k], h[place.z + k], h[place.w + k]);
      sum = accumulate(sum, rows, weights[w]);
      w += columns;
    }
  }
  // Indexed by a variable, so not the same variable that the loop adds to.
  let sums = array<mat4x4f, 4>(sum.own, sum.x, sum.y, sum.diagonal);
  let rows = min(16u, params.batch - row0);
  for (var i = 0u; i < 4u * rows; i++) {
    let r = i / 4u;
    let j = i & 3u;
    if (unit0 + j < H) {
      finishForward(direction, row0 + r, unit0 + j, sums[(r / 4u) ^ q][r & 3u][j]);
    }
  }
}

@compute @workgroup_size(8)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(subgroup_invocation_id) subgroupLane: u32,
) {
  let H = params.hidden;
  let direction = group.z;
  let row0 = group.y * 16u;
  let q = subgroupLane & 3u;
  let first = row0 + 4u * q;
  let row = min(vec4u(first, first + 1u, first + 2u, first + 3u), vec4u(params.batch - 1u));
  let unit0 = (group.x * 8u + local.x) * 4u;
  var sum = Sums();
  if (params.step + 1u < params.steps) {
    let after = timeOf(direction, params.step + 1u);
    let place = ((direction * params.steps + after) * params.batch + row) * H;
    let columns = (H + 3u) / 4u;
    var w = direction * H * columns + min(unit0 / 4u, columns - 1u);
    for (var k = 0u; k < H; k++) {
      let rows = vec4f(gates[place.x + k], gates[place.y + k], gates[place.z + k], gates[place.w + k]);
      sum = accumulate(sum, rows, weights[w]);
      w += columns;
    }
  }
  // Indexed by a variable, so not the same variable that the loop adds to.
  let sums = array<mat4x4f, 4>(sum.own, sum.x, sum.y, sum.diagonal);
  let rows = min(16u, params.batch - row0);
  for (var i = 0u; i < 4u * rows; i++) {
    let r = i / 4u;
    let j = i & 3u;
    if (unit0 + j < H) {
      finishBackward(direction, row0 + r, unit0 + j, sums[(r / 4u) ^ q][r & 3u][j]);
    }
  }
}
