// Batched matrix product of operands with any strides and offsets, on adapters with subgroups.
//   C[z,i,j] = act((accumulate ? C[z,i,j] : 0) + sum_k A[z,i,k] B[z,k,j] + (hasBias ? bias[j] : 0))
//
//   a     [Z, M, K]  read   element (z, i, k) at aOffset + z aBatch + i aRow + k aCol
//   b     [Z, K, N]  read   element (z, k, j) at bOffset + z bBatch + k bRow + j bCol
//   bias  [N]        read   where hasBias = 1, from biasOffset on; otherwise any f32 array that c does not share
//   c     [Z, M, N]         element (z, i, j) at cOffset + z cBatch + i cRow + j; written, read where accumulate = 1
// c shares no buffer with a, b or bias; those may share one.
//
// Why quads. A CPU that plays GPU loads storage lane by lane, each with its own bounds check: one such load costs as
// much as a dozen multiplications, even where all lanes ask for the same address. So no lane loads what its neighbours
// have. A lane keeps 4 columns of B; the 16 rows of A lie spread over the 4 lanes of a quad and reach the others by
// quad swaps, a single instruction. A workgroup of `lanes` lanes, a multiple of 4, makes 16 rows by 4 lanes columns.
//
// The sum starts at 0 and runs over k in order, one fma each; then come C, bias and activation. Every matmul kernel
// does so, hence a value has the same bits whichever kernel, tile or batch it was computed in.

enable subgroups;

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
@group(0) @binding(1) var<storage, read> a: array<left>;
@group(0) @binding(2) var<storage, read> b: array<right>;
@group(0) @binding(3) var<storage, read> bias: array<added>;
@group(0) @binding(4) var<storage, read_write> c: array<result>;

override lanes: u32 = 8;

// [r][j]: row r, column j of a 4 x 4 block of C.
alias Block = mat4x4f;

fn outer(sum: Block, rows: vec4f, columns: vec4f) -> Block {
  return Block(
    fma(rows.xxxx, columns, sum[0]),
    fma(rows.yyyy, columns, sum[1]),
    fma(rows.zzzz, columns, sum[2]),
    fma(rows.wwww, columns, sum[3]),
  );
}

// One k for the 16 rows of a quad: the 4 rows whose A this lane holds, then those of its three neighbours.
fn add(sums: ptr<function, array<Block, 4>>, rows: vec4f, columns: vec4f) {
  (*sums)[0] = outer((*sums)[0], rows, columns);
  (*sums)[1] = outer((*sums)[1], quadSwapX(rows), columns);
  (*sums)[2] = outer((*sums)[2], quadSwapY(rows), columns);
  (*sums)[3] = outer((*sums)[3], quadSwapDiagonal(rows), columns);
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

// Puts 4 sums into row i of C, or adds them to it: columns `column`, `column + columnStep`, … Nothing outside of C.
fn storeRow(z: u32, i: u32, column: u32, columnStep: u32, sums: vec4f, biases: vec4f) {
  if (i >= params.m) {
    return;
  }
  let at = params.cOffset + z * params.cBatch + i * params.cRow + column;
  if (column < params.n) {
    put(at, sums.x, biases.x);
  }
  if (column + columnStep < params.n) {
    put(at + columnStep, sums.y, biases.y);
  }
  if (column + 2u * columnStep < params.n) {
    put(at + 2u * columnStep, sums.z, biases.z);
  }
  if (column + 3u * columnStep < params.n) {
    put(at + 3u * columnStep, sums.w, biases.w);
  }
}

fn put(at: u32, sum: f32, biased: f32) {
  var value = sum;
  if (params.accumulate == 1u) {
    value += f32(c[at]);
  }
  // Not `+ 0`: that would make a -0 another number.
  c[at] = result(select(value, value + biased, params.hasBias == 1u));
}

// The bias of 4 columns, loaded once for all rows.
fn biasOf(column: u32, columnStep: u32) -> vec4f {
  var biases = vec4f();
  if (params.hasBias == 1u) {
    let j = params.biasOffset + min(vec4u(column) + columnStep * vec4u(0u, 1u, 2u, 3u), vec4u(params.n - 1u));
    biases = vec4f(f32(bias[j.x]), f32(bias[j.y]), f32(bias[j.z]), f32(bias[j.w]));
  }
  return biases;
}

// The activation of what this lane has put into rows [row, row + rows): in a loop of its own, because a copy for each of the
// 64 sums would take a software adapter seconds to compile. Without one the loop must not run at all: such an adapter
// computes every branch, taken or not.
fn finish(z: u32, row: u32, rows: u32, column: u32, columnStep: u32) {
  if (params.activation == 0u) {
    return;
  }
  for (var i = row; i < min(row + rows, params.m); i++) {
    for (var j = column; j < min(column + 4u * columnStep, params.n); j += columnStep) {
      let at = params.cOffset + z * params.cBatch + i * params.cRow + j;
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

// Block s holds the rows of lane quadLane ^ s: the first at `row` + that lane * laneStep, the next ones rowStep apart.
fn storeSums(
  z: u32,
  row: u32,
  laneStep: u32,
  rowStep: u32,
  quadLane: u32,
  column: u32,
  columnStep: u32,
  sums: ptr<function, array<Block, 4>>,
) {
  let biases = biasOf(column, columnStep);
  for (var s = 0u; s < 4u; s++) {
    let first = row + (quadLane ^ s) * laneStep;
    storeRow(z, first, column, columnStep, (*sums)[0][0], biases);
    storeRow(z, first + rowStep, column, columnStep, (*sums)[0][1], biases);
    storeRow(z, first + 2u * rowStep, column, columnStep, (*sums)[0][2], biases);
    storeRow(z, first + 3u * rowStep, column, columnStep, (*sums)[0][3], biases);
    // Instead of (*sums)[s]: an index that varies would move the sums from registers to memory, in the hot loop too.
    (*sums)[0] = (*sums)[1];
    (*sums)[1] = (*sums)[2];
    (*sums)[2] = (*sums)[3];
  }
  finish(z, row, 16u, column, columnStep);
}

// The rows of a lane are 4 apart, its columns `lanes`.
@compute @workgroup_size(lanes)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_invocation_id) subgroupLane: u32,
) {
  let quadLane = subgroupLane & 3u;
  let row = group.y * 16u;
  let column = group.x * lanes * 4u + lane;
  let lastRow = params.m - 1u; // rows past the edge load this one and are not stored
  let aStart = params.aOffset + group.z * params.aBatch;
  let a0 = (aStart + min(row + quadLane, lastRow) * params.aRow);
  let a1 = (aStart + min(row + quadLane + 4u, lastRow) * params.aRow);
  let a2 = (aStart + min(row + quadLane + 8u, lastRow) * params.aRow);
  let a3 = (aStart + min(row + quadLane + 12u, lastRow) * params.aRow);
  let lastColumn = params.n - 1u;
  let bStart = params.bOffset + group.z * params.bBatch;
  let b0 = (bStart + min(column, lastColumn) * params.bCol);
  let b1 = (bStart + min(column + lanes, lastColumn) * params.bCol);
  let b2 = (bStart + min(column + 2u * lanes, lastColumn) * params.bCol);
  let b3 = (bStart + min(column + 3u * lanes, lastColumn) * params.bCol);
  var sums: array<Block, 4>;
  for (var k = 0u; k < params.k; k++) {
    let aAt = k * params.aCol;
    let bAt = k * params.bRow;
    add(
      &sums,
      vec4f(f32(a[a0 + aAt]), f32(a[a1 + aAt]), f32(a[a2 + aAt]), f32(a[a3 + aAt])),
      vec4f(f32(b[b0 + bAt]), f32(b[b1 + bAt]), f32(b[b2 + bAt]), f32(b[b3 + bAt])),
    );
  }
  storeSums(group.z, row, 1u, 4u, quadLane, column, lanes, &sums);
}
