// As gru-cell.wgsl, for H a multiple of 4 and adapters that run on the CPU and have subgroups. There a load from storage
// costs as much as a dozen multiplications; so everything is loaded by 16 bytes, and the four lanes of a quad, which
// work on the same units of different rows, load a quarter of the weights each and pass them round.
// Lanes 4i to 4i+3 of a workgroup must be a quad.
//
// One GRU step of all directions, the reset after the recurrent product (PyTorch's form); a row of the batch that has
// ended (t >= length) keeps its state.
//   [r z] = sigmoid(gates[t] + bias_hh + h[t-1] W_hhᵀ)     q = bias_hn + h[t-1] W_hnᵀ
//   n = tanh(gates_n[t] + r q)                             h[t] = (1 - z) n + z h[t-1]
// Direction d works at time t = step, or T-1-step where bit d of `reverse` is set; "t-1" is the time of the step
// before, whose slot is T (the initial state) at step 0. A row's products are summed over k in order, starting with the
// bias: the same to the bit in any batch and in `gru-cell.wgsl`.
//
// forward: a quad owns 16 rows of the batch and all gates of 4 units
//   gates    [D, T, B, 4H]  in: products with the input in r, z, n, bias_ih included; out: activated r, z, n, and q
//   h        [T+1, B, D·H]  read at t-1, written at t
//   weights  [D, H, 3H]     weight_hh transposed
//   bias     [D, 3H]        bias_hh
//   lengths  [B]            read where hasLengths = 1
// backward: a quad owns 16 rows and 16 units
//   gates    [D, T, B, 4H]  at t in: r, z, n, q; out: gradients of what is activated to r, z, n, and of q;
//                           read at t+1
//   h        [T+1, B, D·H]  read (as hRead)
//   weights  [D, 3H, H]     weight_hh
//   upstream [T, B, D·H]    gradient of h after each step; read where hasUpstream = 1
//   carry    [B, D·H]       in: gradient of h[t] besides upstream and the gates at t+1 (where hasCarry = 1);
//                           out: what goes on to h[t-1] besides the gates at t
// forward_steps, backward_steps: `count` steps in one dispatch, from `step` on or back. A workgroup owns 16 rows of the batch and
// all units, so nobody else needs what it has written; between two steps is a barrier.
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
  count: u32, // of `forward_steps` and `backward_steps`
}

alias stored = f32; // or f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> gates: array<vec4<stored>>;
@group(0) @binding(2) var<storage, read_write> h: array<vec4<stored>>;
@group(0) @binding(3) var<storage, read> weights: array<vec4<stored>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read> lengths: array<u32>;
@group(0) @binding(6) var<storage, read> upstream: array<vec4<stored>>;
@group(0) @binding(7) var<storage, read> hRead: array<vec4<stored>>;
@group(0) @binding(8) var<storage, read_write> carry: array<vec4f>;

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

fn sigmoids(x: vec4f) -> vec4f {
  return vec4f(sigmoid_accurate(x.x), sigmoid_accurate(x.y), sigmoid_accurate(x.z), sigmoid_accurate(x.w));
}

fn tanhs(x: vec4f) -> vec4f {
  return vec4f(tanh_accurate(x.x), tanh_accurate(x.y), tanh_accurate(x.z), tanh_accurate(x.w));
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

// The step of one row and four units; the arguments r to q hold the recurrent products and bias_hh.
fn finishForward(direction: u32, step: u32, row: u32, column: u32, r: vec4f, z: vec4f, q: vec4f) {
  let N = params.hidden / 4u;
  let time = timeOf(direction, step);
  let slot = params.batch * params.width / 4u;
  let place = row * (params.width / 4u) + direction * N + column;
  var hBefore = vec4f();
  if (hasBefore(step)) {
    hBefore = vec4f(h[slotBefore(direction, step) * slot + place]);
  }
  if (ended(row, time)) {
    h[time * slot + place] = vec4<stored>(hBefore);
    return;
  }
  let at = ((direction * params.steps + time) * params.batch + row) * 4u * N + column;
  let gateR = sigmoids(vec4f(gates[at]) + r);
  let gateZ = sigmoids(vec4f(gates[at + N]) + z);
  let n = tanhs(fma(gateR, q, vec4f(gates[at + 2u * N])));
  gates[at] = vec4<stored>(gateR);
  gates[at + N] = vec4<stored>(gateZ);
  gates[at + 2u * N] = vec4<stored>(n);
  gates[at + 3u * N] = vec4<stored>(q);
  h[time * slot + place] = vec4<stored>(fma(gateZ, hBefore - n, n));
}

// The step back of one row and four units; `sum` is the gradient of h[t] through the gates of the step after.
fn finishBackward(direction: u32, step: u32, carried: u32, row: u32, column: u32, sum: vec4f) {
  let N = params.hidden / 4u;
  let time = timeOf(direction, step);
  let slot = params.batch * params.width / 4u;
  let place = row * (params.width / 4u) + direction * N + column;
  var dh = sum;
  if (params.hasUpstream == 1u) {
    dh += vec4f(upstream[time * slot + place]);
  }
  if (carried == 1u) {
    dh += carry[place];
  }
  let at = ((direction * params.steps + time) * params.batch + row) * 4u * N + column;
  if (ended(row, time)) {
    gates[at] = vec4<stored>(vec4f());
    gates[at + N] = vec4<stored>(vec4f());
    gates[at + 2u * N] = vec4<stored>(vec4f());
    gates[at + 3u * N] = vec4<stored>(vec4f());
    carry[place] = dh;
    return;
  }
  var hBefore = vec4f();
  if (hasBefore(step)) {
    hBefore = vec4f(hRead[slotBefore(direction, step) * slot + place]);
  }
  let r = vec4f(gates[at]);
  let z = vec4f(gates[at + N]);
  let n = vec4f(gates[at + 2u * N]);
  let q = vec4f(gates[at + 3u * N]);
  let dn = dh * (1.0 - z) * (1.0 - n * n);
  gates[at] = vec4<stored>(dn * q * r * (1.0 - r));
  gates[at + N] = vec4<stored>(dh * (hBefore - n) * z * (1.0 - z));
  gates[at + 2u * N] = vec4<stored>(dn);
  gates[at + 3u * N] = vec4<stored>(dn * r);
  carry[place] = dh * z;
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

// Four equal rows.
fn spread(row: vec4f) -> mat4x4f {
  return mat4x4f(row, row, row, row);
}

// The sums of four rows and four units, gate by gate; lane q of the quad brings the weights of the q-th gate.
struct GateSums {
  r: mat4x4f,
  z: mat4x4f,
  q: mat4x4f,
}

fn addGates(sums: GateSums, rows: vec4f, own: vec4f) -> GateSums {
  return GateSums(
    outer(sums.r, rows, quadBroadcast(own, 0u)),
    outer(sums.z, rows, quadBroadcast(own, 1u)),
    outer(sums.q, rows, quadBroadcast(own, 2u)),
  );
}

// The sums of four rows and sixteen units; lane q of the quad brings the weights of the q-th four units.
struct UnitSums {
  first: mat4x4f,
  second: mat4x4f,
  third: mat4x4f,
  fourth: mat4x4f,
}

fn addUnits(sums: UnitSums, rows: vec4f, own: vec4f) -> UnitSums {
  return UnitSums(
    outer(sums.first, rows, quadBroadcast(own, 0u)),
    outer(sums.second, rows, quadBroadcast(own, 1u)),
    outer(sums.third, rows, quadBroadcast(own, 2u)),
    outer(sums.fourth, rows, quadBroadcast(own, 3u)),
  );
}

fn stepForward(direction: u32, step: u32, row0: u32, column: u32, q: u32) {
  let N = params.hidden / 4u;
  let row = min(vec4u(row0, row0 + 1u, row0 + 2u, row0 + 3u), vec4u(params.batch - 1u));
  let own = min(q, 2u) * N + min(column, N - 1u);
  let start = bias[direction * 3u * N + own];
  var sums = GateSums(
    spread(quadBroadcast(start, 0u)),
    spread(quadBroadcast(start, 1u)),
    spread(quadBroadcast(start, 2u)),
  );
  if (hasBefore(step)) {
    let place = (slotBefore(direction, step) * params.batch + row) * (params.width / 4u) + direction * N;
    var w = direction * params.hidden * 3u * N + own;
    for (var k = 0u; k < N; k++) {
      let x = transpose(mat4x4f(
        vec4f(h[place.x + k]),
        vec4f(h[place.y + k]),
        vec4f(h[place.z + k]),
        vec4f(h[place.w + k]),
      ));
      sums = addGates(sums, x[0], vec4f(weights[w]));
      sums = addGates(sums, x[1], vec4f(weights[w + 3u * N]));
      sums = addGates(sums, x[2], vec4f(weights[w + 6u * N]));
      sums = addGates(sums, x[3], vec4f(weights[w + 9u * N]));
      w += 12u * N;
    }
  }
  if (column >= N || row0 >= params.batch) {
    return;
  }
  // Indexed by a variable, so not the same variables that the loop adds to.
  let all = array<mat4x4f, 3>(sums.r, sums.z, sums.q);
  let rows = min(4u, params.batch - row0);
  for (var j = 0u; j < rows; j++) {
    finishForward(direction, step, row0 + j, column, all[0][j], all[1][j], all[2][j]);
  }
}

fn stepBackward(direction: u32, step: u32, carried: u32, row0: u32, column: u32, q: u32) {
  let N = params.hidden / 4u;
  let row = min(vec4u(row0, row0 + 1u, row0 + 2u, row0 + 3u), vec4u(params.batch - 1u));
  var sums = UnitSums();
  if (step + 1u < params.steps) {
    let after = timeOf(direction, step + 1u);
    var w = direction * 12u * N * N + min(column + q, N - 1u);
    for (var gate = 0u; gate < 3u; gate++) {
      // The third gate's rows of weight_hh go with q, in the fourth slot.
      let slot = select(gate, 3u, gate == 2u);
      let place = ((direction * params.steps + after) * params.batch + row) * 4u * N + slot * N;
      for (var k = 0u; k < N; k++) {
        let x = transpose(mat4x4f(
          vec4f(gates[place.x + k]),
          vec4f(gates[place.y + k]),
          vec4f(gates[place.z + k]),
          vec4f(gates[place.w + k]),
        ));
        sums = addUnits(sums, x[0], vec4f(weights[w]));
        sums = addUnits(sums, x[1], vec4f(weights[w + N]));
        sums = addUnits(sums, x[2], vec4f(weights[w + 2u * N]));
        sums = addUnits(sums, x[3], vec4f(weights[w + 3u * N]));
        w += 4u * N;
      }
    }
  }
  if (row0 >= params.batch) {
    return;
  }
  // Indexed by a variable, so not the same variables that the loop adds to.
  let all = array<mat4x4f, 4>(sums.first, sums.second, sums.third, sums.fourth);
  let rows = min(4u, params.batch - row0);
  for (var i = 0u; i < 4u * rows; i++) {
    let j = i & 3u;
    if (column + j < N) {
      finishBackward(direction, step, carried, row0 + i / 4u, column + j, all[j][i / 4u]);
    }
  }
}

@compute @workgroup_size(8)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_invocation_id) subgroupLane: u32,
) {
  let q = subgroupLane & 3u;
  stepForward(group.z, params.step, group.y * 16u + 4u * q, group.x * 2u + lane / 4u, q);
}

@compute @workgroup_size(8)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_invocation_id) subgroupLane: u32,
) {
  let q = subgroupLane & 3u;
  stepBackward(group.z, params.step, params.hasCarry, group.y * 16u + 4u * q, (group.x * 2u + lane / 4u) * 4u, q);
}

@compute @workgroup_size(8)
fn forward_steps(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_invocation_id) subgroupLane: u32,
) {
  let q = subgroupLane & 3u;
  for (var step = params.step; step < params.step + params.count; step++) {
    for (var column = 0u; column < params.hidden / 4u; column += 2u) {
      stepForward(group.z, step, group.y * 16u + 4u * q, column + lane / 4u, q);
    }
    storageBarrier();
  }
}

@compute @workgroup_size(8)
fn backward_steps(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_invocation_id) subgroupLane: u32,
) {
  let q = subgroupLane & 3u;
  var carried = params.hasCarry;
  for (var back = 0u; back < params.count; back++) {
    for (var column = 0u; column < params.hidden / 4u; column += 8u) {
      stepBackward(group.z, params.step - back, carried, group.y * 16u + 4u * q, column + lane / 4u * 4u, q);
    }
    carried = 1u;
    storageBarrier();
  }
}
