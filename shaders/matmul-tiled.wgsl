// Batched matrix product through workgroup memory: the GPU's, for operands in 16-byte steps.
//   C[z,i,j] = act((accumulate ? C[z,i,j] : 0) + sum_k A[z,i,k] B[z,k,j] + (hasBias ? bias[j] : 0))
//
//   a     [Z, M, K]  read   element (z, i, k) at aOffset + z aBatch + i aRow + k aCol
//   b     [Z, K, N]  read   element (z, k, j) at bOffset + z bBatch + k bRow + j bCol
//   bias  [N]        read   where hasBias = 1, from biasOffset on; otherwise any f32 array that c does not share
//   c     [Z, M, N]         element (z, i, j) at cOffset + z cBatch + i cRow + j; written, read where accumulate = 1
// c shares no buffer with a, b or bias; those may share one.
//
// `alongA` = 1 where A's elements are neighbours along k (aCol = 1), 0 where along its rows (aRow = 1); `alongB` = 1 where
// B's are along k (bRow = 1), 0 where along its columns (bCol = 1). The other strides and the offsets are multiples of 4,
// and so is K where either is 1. Up to 3 elements past a row may be loaded; they are not used.
//
// A workgroup of `across` x `down` invocations makes `side` down rows by `side` across columns, `side` x `side` an
// invocation: 8 in entry `eights`, 4 in `fours`, in blocks of 4 x 4 registers. It walks through K in tiles of `depth`. While
// one tile is multiplied, the next is on its way from memory to registers, and then to the other page of workgroup memory:
// one barrier a tile. What `across`, `down` and `depth` may be: a tile of either operand is 1, 2 or 4 vectors an
// invocation, and both pages of both fit 16 KiB.
//
// A vector lies in workgroup memory as it came, 4 of k or 4 of a row (column), so nothing is turned on the way in; four of
// them are turned in registers on the way out, where that costs nothing. Vectors of 4 k are swizzled: lanes side by side
// read rows side by side, which would lie in the same few banks. Then an invocation's rows are `down` apart and its
// columns `across`; otherwise they are neighbours.
//
// The sum starts at 0 and runs over k in order, one fma each; then come C, bias and activation. Every matmul kernel
// does so, hence a value has the same bits whichever kernel, tile or batch it was computed in. Here the last
// three fmas may lie past K and add 0 · 0, which changes nothing but the sign of a sum that underflowed to -0.

struct Params {
  m: u32,
  n: u32,
  k: u32,
  aOffset: u32,
  aBatch: u32,
  aRow: u32,
  aCol: u32,
  bOffset: u32,
  bBatch: u32,
  bRow: u32,
  bCol: u32,
  cOffset: u32,
  cBatch: u32,
  cRow: u32,
  biasOffset: u32,
  hasBias: u32,
  accumulate: u32,
  activation: u32, // 0 none, 1 tanh, 2 relu, 3 sigmoid
}

alias left = f32; // or f16
alias right = f32; // or f16
alias added = f32; // or f16
alias result = f32; // or f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<left>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<right>>;
@group(0) @binding(3) var<storage, read> bias: array<added>;
@group(0) @binding(4) var<storage, read_write> c: array<result>;

override across: u32 = 8;
override down: u32 = 8;
override side: u32 = 8;
override depth: u32 = 8;
override alongA: u32 = 1;
override alongB: u32 = 1;

// Vectors of a tile, twice.
override sizeA: u32 = depth * side * down / 2;
override sizeB: u32 = depth * side * across / 2;
var<workgroup> tilesA: array<vec4f, sizeA>;
var<workgroup> tilesB: array<vec4f, sizeB>;

// [r][j]: row r, column j of a 4 x 4 block of C; of an operand, [k][row] or [k][column].
alias Block = mat4x4f;

struct Place {
  z: u32,
  row: u32, // the first of the workgroup's tile of C
  column: u32,
  x: u32, // of this invocation in its workgroup
  y: u32,
}

fn outer(sum: Block, rows: vec4f, columns: vec4f) -> Block {
  return Block(
    fma(rows.xxxx, columns, sum[0]),
    fma(rows.yyyy, columns, sum[1]),
    fma(rows.zzzz, columns, sum[2]),
    fma(rows.wwww, columns, sum[3]),
  );
}

fn addProduct(sum: Block, rows: Block, columns: Block) -> Block {
  let two = outer(outer(sum, rows[0], columns[0]), rows[1], columns[1]);
  return outer(outer(two, rows[2], columns[2]), rows[3], columns[3]);
}

// The operands' only loads: 4 elements of A along k from (i, k) on, or along its rows. Zeros past the end of k; past other
// edges whatever is there.
fn loadA(z: u32, i: u32, k: u32) -> vec4f {
  if (k >= params.k) {
    return vec4f();
  }
  let start = params.aOffset + z * params.aBatch;
  if (alongA == 1u) {
    return vec4f(a[(start + min(i, params.m - 1u) * params.aRow + k) / 4u]);
  }
  return vec4f(a[(start + k * params.aCol + min(i, (params.m - 1u) & ~3u)) / 4u]);
}

fn loadB(z: u32, k: u32, j: u32) -> vec4f {
  if (k >= params.k) {
    return vec4f();
  }
  let start = params.bOffset + z * params.bBatch;
  if (alongB == 1u) {
    return vec4f(b[(start + min(j, params.n - 1u) * params.bCol + k) / 4u]);
  }
  return vec4f(b[(start + k * params.bRow + min(j, (params.n - 1u) & ~3u)) / 4u]);
}

// Where vector `quad` of row (or column) `line` lies in a tile of vectors along k.
fn swizzled(line: u32, quad: u32) -> u32 {
  let quads = depth / 4u;
  return line * quads + (quad ^ ((line * quads / 8u) & (quads - 1u)));
}

// Vector `unit` of A's tile from k on, on its way in.
fn fetchA(place: Place, k: u32, unit: u32) -> vec4f {
  if (alongA == 1u) {
    let quads = depth / 4u;
    return loadA(place.z, place.row + unit / quads, k + 4u * (unit % quads));
  }
  let width = side * down / 4u;
  return loadA(place.z, place.row + 4u * (unit % width), k + unit / width);
}

fn fetchB(place: Place, k: u32, unit: u32) -> vec4f {
  if (alongB == 1u) {
    let quads = depth / 4u;
    return loadB(place.z, k + 4u * (unit % quads), place.column + unit / quads);
  }
  let width = side * across / 4u;
  return loadB(place.z, k + unit / width, place.column + 4u * (unit % width));
}

fn keepA(page: u32, unit: u32, value: vec4f) {
  let quads = depth / 4u;
  let at = select(unit, swizzled(unit / quads, unit % quads), alongA == 1u);
  tilesA[page * (sizeA / 2u) + at] = value;
}

fn keepB(page: u32, unit: u32, value: vec4f) {
  let quads = depth / 4u;
  let at = select(unit, swizzled(unit / quads, unit % quads), alongB == 1u);
  tilesB[page * (sizeB / 2u) + at] = value;
}

// Four k of the 4 rows of an invocation's block of rows: [k][row].
fn rowsOf(page: u32, place: Place, part: u32, quad: u32) -> Block {
  let start = page * (sizeA / 2u);
  if (alongA == 1u) {
    let row = place.y + part * 4u * down;
    return transpose(Block(
      tilesA[start + swizzled(row, quad)],
      tilesA[start + swizzled(row + down, quad)],
      tilesA[start + swizzled(row + 2u * down, quad)],
      tilesA[start + swizzled(row + 3u * down, quad)],
    ));
  }
  let width = side * down / 4u;
  let at = start + 4u * quad * width + place.y + part * down;
  return Block(tilesA[at], tilesA[at + width], tilesA[at + 2u * width], tilesA[at + 3u * width]);
}

fn columnsOf(page: u32, place: Place, part: u32, quad: u32) -> Block {
  let start = page * (sizeB / 2u);
  if (alongB == 1u) {
    let column = place.x + part * 4u * across;
    return transpose(Block(
      tilesB[start + swizzled(column, quad)],
      tilesB[start + swizzled(column + across, quad)],
      tilesB[start + swizzled(column + 2u * across, quad)],
      tilesB[start + swizzled(column + 3u * across, quad)],
    ));
  }
  let width = side * across / 4u;
  let at = start + 4u * quad * width + place.x + part * across;
  return Block(tilesB[at], tilesB[at + width], tilesB[at + 2u * width], tilesB[at + 3u * width]);
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

// The only place that writes C, and `finish` the only other one that reads it.
fn put(at: u32, j: u32, sum: f32) {
  var value = sum;
  if (params.accumulate == 1u) {
    value += f32(c[at]);
  }
  if (params.hasBias == 1u) {
    value += f32(bias[params.biasOffset + j]);
  }
  c[at] = result(value);
}

// Stores block (partDown, partRight) of this invocation: nothing outside of C.
fn store(place: Place, partDown: u32, partRight: u32, sums: Block) {
  let rowStep = select(1u, down, alongA == 1u);
  let columnStep = select(1u, across, alongB == 1u);
  let row = place.row + select(4u * (place.y + partDown * down), place.y + partDown * 4u * down, alongA == 1u);
  let column = place.column
    + select(4u * (place.x + partRight * across), place.x + partRight * 4u * across, alongB == 1u);
  // Rows move up instead of being indexed, which would take the sums out of their registers.
  var left = sums;
  for (var i = row; i < min(row + 4u * rowStep, params.m); i += rowStep) {
    let at = params.cOffset + place.z * params.cBatch + i * params.cRow;
    var line = left[0];
    for (var j = column; j < min(column + 4u * columnStep, params.n); j += columnStep) {
      put(at + j, j, line.x);
      line = line.yzwx;
    }
    left = Block(left[1], left[2], left[3], left[0]);
  }
  if (params.activation == 0u) {
    return;
  }
  for (var i = row; i < min(row + 4u * rowStep, params.m); i += rowStep) {
    for (var j = column; j < min(column + 4u * columnStep, params.n); j += columnStep) {
      let at = params.cOffset + place.z * params.cBatch + i * params.cRow + j;
      var value = f32(c[at]);
      if (params.activation == 1u) {
        value = tanh_accurate(value);
      } else if (params.activation == 2u) {
        value = max(value, 0.0);
      } else {
        value = sigmoid_accurate(value);
      }
      c[at] = result(value);
    }
  }
}

@compute @workgroup_size(across, down)
fn eights(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let place = Place(group.z, group.y * 8u * down, group.x * 8u * across, local.x, local.y);
  let lanes = across * down;
  let unitsA = sizeA / 2u / lanes;
  let unitsB = sizeB / 2u / lanes;
  var nextA: array<vec4f, 4>;
  var nextB: array<vec4f, 4>;
  for (var unit = 0u; unit < unitsA; unit++) {
    keepA(0u, lane + unit * lanes, fetchA(place, 0u, lane + unit * lanes));
  }
  for (var unit = 0u; unit < unitsB; unit++) {
    keepB(0u, lane + unit * lanes, fetchB(place, 0u, lane + unit * lanes));
  }
  workgroupBarrier();
  var sum00: Block;
  var sum01: Block;
  var sum10: Block;
  var sum11: Block;
  var page = 0u;
  for (var k = 0u; k < params.k; k += depth) {
    let more = k + depth < params.k;
    if (more) {
      for (var unit = 0u; unit < unitsA; unit++) {
        nextA[unit] = fetchA(place, k + depth, lane + unit * lanes);
      }
      for (var unit = 0u; unit < unitsB; unit++) {
        nextB[unit] = fetchB(place, k + depth, lane + unit * lanes);
      }
    }
    let quads = min(depth, params.k - k + 3u) / 4u;
    for (var quad = 0u; quad < quads; quad++) {
      let above = rowsOf(page, place, 0u, quad);
      let below = rowsOf(page, place, 1u, quad);
      let left = columnsOf(page, place, 0u, quad);
      let right = columnsOf(page, place, 1u, quad);
      sum00 = addProduct(sum00, above, left);
      sum01 = addProduct(sum01, above, right);
      sum10 = addProduct(sum10, below, left);
      sum11 = addProduct(sum11, below, right);
    }
    page = 1u - page;
    if (more) {
      for (var unit = 0u; unit < unitsA; unit++) {
        keepA(page, lane + unit * lanes, nextA[unit]);
      }
      for (var unit = 0u; unit < unitsB; unit++) {
        keepB(page, lane + unit * lanes, nextB[unit]);
      }
    }
    workgroupBarrier();
  }
  store(place, 0u, 0u, sum00);
  store(place, 0u, 1u, sum01);
  store(place, 1u, 0u, sum10);
  store(place, 1u, 1u, sum11);
}

// The same with one block an invocation: more workgroups out of a small C.
@compute @workgroup_size(across, down)
fn fours(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let place = Place(group.z, group.y * 4u * down, group.x * 4u * across, local.x, local.y);
  let lanes = across * down;
  let unitsA = sizeA / 2u / lanes;
  let unitsB = sizeB / 2u / lanes;
  var nextA: array<vec4f, 4>;
  var nextB: array<vec4f, 4>;
  for (var unit = 0u; unit < unitsA; unit++) {
    keepA(0u, lane + unit * lanes, fetchA(place, 0u, lane + unit * lanes));
  }
  for (var unit = 0u; unit < unitsB; unit++) {
    keepB(0u, lane + unit * lanes, fetchB(place, 0u, lane + unit * lanes));
  }
  workgroupBarrier();
  var sum: Block;
  var page = 0u;
  for (var k = 0u; k < params.k; k += depth) {
    let more = k + depth < params.k;
    if (more) {
      for (var unit = 0u; unit < unitsA; unit++) {
        nextA[unit] = fetchA(place, k + depth, lane + unit * lanes);
      }
      for (var unit = 0u; unit < unitsB; unit++) {
        nextB[unit] = fetchB(place, k + depth, lane + unit * lanes);
      }
    }
    let quads = min(depth, params.k - k + 3u) / 4u;
    for (var quad = 0u; quad < quads; quad++) {
      sum = addProduct(sum, rowsOf(page, place, 0u, quad), columnsOf(page, place, 0u, quad));
    }
    page = 1u - page;
    if (more) {
      for (var unit = 0u; unit < unitsA; unit++) {
        keepA(page, lane + unit * lanes, nextA[unit]);
      }
      for (var unit = 0u; unit < unitsB; unit++) {
        keepB(page, lane + unit * lanes, nextB[unit]);
      }
    }
    workgroupBarrier();
  }
  store(place, 0u, 0u, sum);
}
