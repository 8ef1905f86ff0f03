// As gru-cell.wgsl, for GPUs: the recurrent product in tiles through workgroup memory, with the cell as what is done to the
// sums. Where a layer goes step by step, the product of the step's input is taken in the same dispatch.
//
// One GRU step of all directions, the reset after the recurrent product (PyTorch's form); a row of the batch that has
// ended (t >= length) keeps its state.
//   [r z] = sigmoid(x + bias_hh + h[t-1] W_hhᵀ)     q = bias_hn + h[t-1] W_hnᵀ
//   n = tanh(x_n + r q)                             h[t] = (1 - z) n + z h[t-1]
// x is what lies in gates[t]; with an input (withInput = 1) it is input W_ihᵀ + bias_ih, or input W_ihᵀ + gates[t] where
// inputAdds = 1. Direction d works at time t = step, or T-1-step where bit d of `reverse` is set; "t-1" is the time of the
// step before, whose slot is T (the initial state) at step 0.
//
// A row's products are summed over k in order, one fma each, the recurrent one starting with bias_hh and the input's with 0:
// the same to the bit as in `gru-cell.wgsl` after the input's product by itself (where gates are f16, that one is rounded
// on its way through them, and this one is not). Past the last k there may follow up to three times 0 · 0, which changes
// nothing but the sign of a zero.
//
// forward: an invocation owns 4 rows of the batch and all gates of one unit; a workgroup 4·down rows and `across` units
//   gates         [D, T, B, 4H]  in: x in r, z, n, or what is added to it; out: activated r, z, n, and q
//   h             [T+1, B, D·H]  read at t-1, written at t
//   weights       [D, H, 3H]     weight_hh transposed
//   bias          [2, D, 3H]     bias_hh, bias_ih
//   lengths       [B]            read where hasLengths = 1
//   input         [B, I]         from inputOffset on; read where withInput = 1, as is
//   inputWeights  [3H, …]        weight_ih, rows inputWeightRow apart, the input's I columns from inputColumn on; D is 1 then
// backward: an invocation owns 4 rows and two units, `across` apart; a workgroup 4·down rows and 2·across units
//   gates    [D, T, B, 4H]  at t in: r, z, n, q; out: gradients of what is activated to r, z, n, and of q;
//                           read at t+1
//   h        [T+1, B, D·H]  read (as hRead)
//   weights  [D, 3H, H]     weight_hh
//   upstream [T, B, D·H]    gradient of h after each step; read where hasUpstream = 1
//   carry    [B, D·H]       in: gradient of h[t] besides upstream and the gates at t+1 (where hasCarry = 1);
//                           out: what goes on to h[t-1] besides the gates at t
// Nothing that is written may share a buffer with anything else.
//
// A product goes through k in tiles of `depth`. While one tile is multiplied, the next is on its way from memory to
// registers, and then to the other page of workgroup memory: one barrier a tile. There a vector holds what one
// invocation multiplies at one k: 4 rows, or the weights of its unit's gates and a 0 (backward: of its two units). Vectors of
// one k lie together, swizzled, so that lanes which bring vectors of many k do not all write to the same banks. `across`
// and `down` are powers of two; a tile of either operand is a whole number of vectors an invocation, at most 8, and
// both pages of both fit 16 KiB.

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
  inputWidth: u32, // I
  inputOffset: u32,
  inputColumn: u32,
  inputWeightRow: u32,
  inputAdds: u32,
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
@group(0) @binding(9) var<storage, read> input: array<stored>;
@group(0) @binding(10) var<storage, read> inputWeights: array<stored>;

override across: u32 = 16;
override down: u32 = 16;
override depth: u32 = 16;
override withInput: u32 = 0;

// Vectors of a tile, twice.
override sizeRows: u32 = 2 * depth * down;
override sizeWeights: u32 = 2 * depth * across;
var<workgroup> tilesRows: array<vec4f, sizeRows>;
var<workgroup> tilesGates: array<vec4f, sizeWeights>; // of forward: r, z, q (n's of the input), 0
var<workgroup> tilesUnits: array<vec2f, sizeWeights>; // of backward

struct Place {
  direction: u32,
  row: u32, // the workgroup's first
  unit: u32,
  x: u32, // of this invocation in its workgroup
  y: u32,
}

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

// Where in a tile of either operand the vector of k and `line` lies; `lines` a k.
fn swizzled(k: u32, line: u32, lines: u32) -> u32 {
  return k * lines + (line ^ (k & (lines - 1u)));
}

fn fourRows(place: Place, part: u32) -> vec4u {
  let row = place.row + 4u * part;
  return min(vec4u(row, row + 1u, row + 2u, row + 3u), vec4u(params.batch - 1u));
}

// The step of one row and unit; the arguments r to q hold the recurrent products and bias_hh, x the input's products.
fn finishForward(direction: u32, row: u32, unit: u32, r: f32, z: f32, q: f32, x: vec3f) {
  let H = params.hidden;
  let time = timeOf(direction, params.step);
  let slot = params.batch * params.width;
  let place = row * params.width + direction * H + unit;
  var hBefore = 0.0;
  if (hasBefore()) {
    hBefore = f32(h[slotBefore(direction) * slot + place]);
  }
  if (ended(row, time)) {
    h[time * slot + place] = stored(hBefore);
    return;
  }
  let at = ((direction * params.steps + time) * params.batch + row) * 4u * H + unit;
  var others: vec3f;
  if (withInput == 0u || params.inputAdds == 1u) {
    others = vec3f(f32(gates[at]), f32(gates[at + H]), f32(gates[at + 2u * H]));
  } else {
    let biasAt = 3u * params.width + direction * 3u * H + unit;
    others = vec3f(bias[biasAt], bias[biasAt + H], bias[biasAt + 2u * H]);
  }
  if (withInput == 1u) {
    others = x + others;
  }
  let gateR = sigmoid_accurate(others.x + r);
  let gateZ = sigmoid_accurate(others.y + z);
  let n = tanh_accurate(fma(gateR, q, others.z));
  gates[at] = stored(gateR);
  gates[at + H] = stored(gateZ);
  gates[at + 2u * H] = stored(n);
  gates[at + 3u * H] = stored(q);
  h[time * slot + place] = stored(fma(gateZ, hBefore - n, n));
}

// The step back of one row and unit; `sum` is the gradient of h[t] through the gates of the step after.
fn finishBackward(direction: u32, row: u32, unit: u32, sum: f32) {
  let H = params.hidden;
  let time = timeOf(direction, params.step);
  let slot = params.batch * params.width;
  let place = row * params.width + direction * H + unit;
  var dh = sum;
  if (params.hasUpstream == 1u) {
    dh += f32(upstream[time * slot + place]);
  }
  if (params.hasCarry == 1u) {
    dh += carry[place];
  }
  let at = ((direction * params.steps + time) * params.batch + row) * 4u * H + unit;
  if (ended(row, time)) {
    gates[at] = stored(0.0);
    gates[at + H] = stored(0.0);
    gates[at + 2u * H] = stored(0.0);
    gates[at + 3u * H] = stored(0.0);
    carry[place] = dh;
    return;
  }
  var hBefore = 0.0;
  if (hasBefore()) {
    hBefore = f32(hRead[slotBefore(direction) * slot + place]);
  }
  let r = f32(gates[at]);
  let z = f32(gates[at + H]);
  let n = f32(gates[at + 2u * H]);
  let q = f32(gates[at + 3u * H]);
  let dn = dh * (1.0 - z) * (1.0 - n * n);
  gates[at] = stored(dn * q * r * (1.0 - r));
  gates[at + H] = stored(dh * (hBefore - n) * z * (1.0 - z));
  gates[at + 2u * H] = stored(dn);
  gates[at + 3u * H] = stored(dn * r);
  carry[place] = dh * z;
}

// Tiles of the recurrent product, and after them those of the input's.
fn recurrentTiles() -> u32 {
  return select(0u, (params.hidden + depth - 1u) / depth, hasBefore());
}

fn inputTiles() -> u32 {
  return select(0u, (params.inputWidth + depth - 1u) / depth, withInput == 1u);
}

fn isInput(tile: u32) -> bool {
  return withInput == 1u && tile >= recurrentTiles();
}

// How many k of a tile there are.
fn filled(tile: u32) -> u32 {
  if (isInput(tile)) {
    return min(depth, params.inputWidth - (tile - recurrentTiles()) * depth);
  }
  return min(depth, params.hidden - tile * depth);
}

// Lanes side by side bring neighbours in memory: along k, except of weights that lie along units.
fn fetchState(place: Place, tile: u32, vector: u32) -> vec4f {
  let row = fourRows(place, vector / depth);
  if (isInput(tile)) {
    let k = (tile - recurrentTiles()) * depth + vector % depth;
    if (k >= params.inputWidth) {
      return vec4f();
    }
    let start = params.inputOffset + row * params.inputWidth + k;
    return vec4f(f32(input[start.x]), f32(input[start.y]), f32(input[start.z]), f32(input[start.w]));
  }
  let k = tile * depth + vector % depth;
  if (k >= params.hidden) {
    return vec4f();
  }
  let before = slotBefore(place.direction) * params.batch;
  let start = (before + row) * params.width + place.direction * params.hidden + k;
  return vec4f(f32(h[start.x]), f32(h[start.y]), f32(h[start.z]), f32(h[start.w]));
}

// Of a tile's vector of weights: weight_hhᵀ lies along units, weight_ih along k.
fn unitOf(tile: u32, vector: u32) -> u32 {
  return select(vector % across, vector / depth, isInput(tile));
}

fn kOf(tile: u32, vector: u32) -> u32 {
  return select(vector / across, vector % depth, isInput(tile));
}

fn fetchGates(place: Place, tile: u32, vector: u32) -> vec4f {
  let H = params.hidden;
  let line = place.unit + unitOf(tile, vector);
  let unit = min(line, H - 1u);
  if (isInput(tile)) {
    let k = (tile - recurrentTiles()) * depth + kOf(tile, vector);
    if (k >= params.inputWidth) {
      return vec4f();
    }
    let w = unit * params.inputWeightRow + params.inputColumn + k;
    let gate = H * params.inputWeightRow;
    return vec4f(f32(inputWeights[w]), f32(inputWeights[w + gate]), f32(inputWeights[w + 2u * gate]), 0.0);
  }
  let k = tile * depth + kOf(tile, vector);
  if (k >= H) {
    return vec4f();
  }
  let w = (place.direction * H + k) * 3u * H + unit;
  return vec4f(f32(weights[w]), f32(weights[w + H]), f32(weights[w + 2u * H]), 0.0);
}

fn keepRows(page: u32, vector: u32, value: vec4f) {
  tilesRows[page * depth * down + swizzled(vector % depth, vector / depth, down)] = value;
}

fn keepGates(page: u32, tile: u32, vector: u32, value: vec4f) {
  tilesGates[page * depth * across + swizzled(kOf(tile, vector), unitOf(tile, vector), across)] = value;
}

// 4 rows' sums of each gate.
struct GateSums {
  r: vec4f,
  z: vec4f,
  q: vec4f,
}

fn addGates(sums: GateSums, place: Place, page: u32, k: u32) -> GateSums {
  let x = tilesRows[page * depth * down + swizzled(k, place.y, down)];
  let w = tilesGates[page * depth * across + swizzled(k, place.x, across)];
  return GateSums(fma(x, w.xxxx, sums.r), fma(x, w.yyyy, sums.z), fma(x, w.zzzz, sums.q));
}

@compute @workgroup_size(across, down)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let H = params.hidden;
  let place = Place(group.z, group.y * 4u * down, group.x * across, local.x, local.y);
  let unit = place.unit + place.x;
  let biasAt = place.direction * 3u * H + min(unit, H - 1u);
  var sums = GateSums(vec4f(bias[biasAt]), vec4f(bias[biasAt + H]), vec4f(bias[biasAt + 2u * H]));
  var ofInput = GateSums();
  let lanes = across * down;
  let countRows = depth / across;
  let countGates = depth / down;
  var nextRows: array<vec4f, 8>;
  var nextGates: array<vec4f, 8>;
  // While one tile is multiplied the next is brought; before the first there is nothing to multiply.
  let tiles = recurrentTiles() + inputTiles();
  for (var next = 0u; next <= tiles; next++) {
    if (next < tiles) {
      for (var n = 0u; n < countRows; n++) {
        nextRows[n] = fetchState(place, next, lane + n * lanes);
      }
      for (var n = 0u; n < countGates; n++) {
        nextGates[n] = fetchGates(place, next, lane + n * lanes);
      }
    }
    if (withInput == 1u && next == recurrentTiles() + 1u) {
      // The recurrent sums step aside until the end.
      let recurrent = sums;
      sums = ofInput;
      ofInput = recurrent;
    }
    if (next > 0u) {
      let page = (next - 1u) & 1u;
      let end = (filled(next - 1u) + 3u) & ~3u;
      for (var k = 0u; k < end; k += 4u) {
        let two = addGates(addGates(sums, place, page, k), place, page, k + 1u);
        sums = addGates(addGates(two, place, page, k + 2u), place, page, k + 3u);
      }
    }
    if (next < tiles) {
      for (var n = 0u; n < countRows; n++) {
        keepRows(next & 1u, lane + n * lanes, nextRows[n]);
      }
      for (var n = 0u; n < countGates; n++) {
        keepGates(next & 1u, next, lane + n * lanes, nextGates[n]);
      }
    }
    workgroupBarrier();
  }
  if (withInput == 1u) {
    let recurrent = ofInput;
    ofInput = sums;
    sums = recurrent;
  }
  if (unit >= H) {
    return;
  }
  // Rows move up instead of being indexed, which would take the sums out of their registers.
  let first = place.row + 4u * place.y;
  for (var row = first; row < min(first + 4u, params.batch); row++) {
    let x = vec3f(ofInput.r.x, ofInput.z.x, ofInput.q.x);
    finishForward(place.direction, row, unit, sums.r.x, sums.z.x, sums.q.x, x);
    sums = GateSums(sums.r.yzwx, sums.z.yzwx, sums.q.yzwx);
    ofInput = GateSums(ofInput.r.yzwx, ofInput.z.yzwx, ofInput.q.yzwx);
  }
}

// Four rows of the gates' gradients at the step after.
fn fetchGradients(place: Place, tile: u32, vector: u32) -> vec4f {
  let k = tile * depth + vector % depth;
  let H = params.hidden;
  if (k >= 3u * H) {
    return vec4f();
  }
  let after = timeOf(place.direction, params.step + 1u);
  // The third gate's rows of weight_hh go with q, in the fourth slot.
  let column = select(k, k + H, k >= 2u * H);
  let start = ((place.direction * params.steps + after) * params.batch + fourRows(place, vector / depth)) * 4u * H + column;
  return vec4f(f32(gates[start.x]), f32(gates[start.y]), f32(gates[start.z]), f32(gates[start.w]));
}

fn fetchUnits(place: Place, tile: u32, vector: u32) -> vec2f {
  let H = params.hidden;
  let k = tile * depth + vector / across;
  if (k >= 3u * H) {
    return vec2f();
  }
  let w = (place.direction * 3u * H + k) * H;
  let line = place.unit + vector % across;
  let unit = min(vec2u(line, line + across), vec2u(H - 1u));
  return vec2f(f32(weights[w + unit.x]), f32(weights[w + unit.y]));
}

// 4 rows' sums of an invocation's two units.
struct UnitSums {
  near: vec4f,
  far: vec4f,
}

fn addUnits(sums: UnitSums, place: Place, page: u32, k: u32) -> UnitSums {
  let x = tilesRows[page * depth * down + swizzled(k, place.y, down)];
  let w = tilesUnits[page * depth * across + swizzled(k, place.x, across)];
  return UnitSums(fma(x, w.xxxx, sums.near), fma(x, w.yyyy, sums.far));
}

fn keepUnits(page: u32, vector: u32, value: vec2f) {
  tilesUnits[page * depth * across + swizzled(vector / across, vector % across, across)] = value;
}

@compute @workgroup_size(across, down)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let H = params.hidden;
  let place = Place(group.z, group.y * 4u * down, group.x * 2u * across, local.x, local.y);
  var sums: UnitSums;
  let lanes = across * down;
  let countRows = depth / across;
  let countUnits = depth / down;
  var nextRows: array<vec4f, 8>;
  var nextUnits: array<vec2f, 8>;
  let tiles = select(0u, (3u * H + depth - 1u) / depth, params.step + 1u < params.steps);
  for (var next = 0u; next <= tiles; next++) {
    if (next < tiles) {
      for (var n = 0u; n < countRows; n++) {
        nextRows[n] = fetchGradients(place, next, lane + n * lanes);
      }
      for (var n = 0u; n < countUnits; n++) {
        nextUnits[n] = fetchUnits(place, next, lane + n * lanes);
      }
    }
    if (next > 0u) {
      let page = (next - 1u) & 1u;
      let end = (min(depth, 3u * H - (next - 1u) * depth) + 3u) & ~3u;
      for (var k = 0u; k < end; k += 4u) {
        let two = addUnits(addUnits(sums, place, page, k), place, page, k + 1u);
        sums = addUnits(addUnits(two, place, page, k + 2u), place, page, k + 3u);
      }
    }
    if (next < tiles) {
      for (var n = 0u; n < countRows; n++) {
        keepRows(next & 1u, lane + n * lanes, nextRows[n]);
      }
      for (var n = 0u; n < countUnits; n++) {
        keepUnits(next & 1u, lane + n * lanes, nextUnits[n]);
      }
    }
    workgroupBarrier();
  }
  // Rows move up instead of being indexed, which would take the sums out of their registers.
  let unit = place.unit + place.x;
  let first = place.row + 4u * place.y;
  for (var row = first; row < min(first + 4u, params.batch); row++) {
    if (unit < H) {
      finishBackward(place.direction, row, unit, sums.near.x);
    }
    if (unit + across < H) {
      finishBackward(place.direction, row, unit + across, sums.far.x);
    }
    sums = UnitSums(sums.near.yzwx, sums.far.yzwx);
  }
}
