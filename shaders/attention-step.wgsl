// Attention by products, for the rows of a step: each row (a step and a place in the batch) in one workgroup: scores,
// softmax and context there; from the context's gradient to the query's back. b is the row's place in the batch.
//   forward   score_s = query · keys[s,b]              weights = softmax over s < lengths[b], 0 beyond
//             joined = [Σ_s weights_s memory[s,b]; query], what h̃ is made of
//   backward  [dContext; dQuery'] = dJoined            dWeights_s (+)= dContext · memory[s,b]
//             dScores_s = weights_s (dWeights_s - Σ_s' weights_s' dWeights_s')
//             dQuery (+)= dQuery' + Σ_s dScores_s keys[s,b]
// Both multiply a vector by all rows of one sequence (`left`) and sum the rows of another (`right`), so they share names:
//
//   forward                                          backward
//   vectors  query [T, B, H]                 read    dJoined [T, B, M+H]      read
//   left     keys [S, B, H]                  read    memory [S, B, M]         read
//   right    memory [S, B, M]                read    keys [S, B, H]           read
//   lengths  [B] u32                         read    the same                 read
//   weights  [T, B, S]                       written (as weightsRead)         read
//   terms    [T, B, S], scratch              written dWeights [T, B, S]       written; read where addsWeights = 1
//   sums     joined [T, B, M+H]              written dQuery [T, B, H]         written; read where addsSums = 1
//   dScores                                          [T, B, S]                written
// H and M are multiples of 4. keys and memory may be one buffer; no other may be given twice.
//
// `across` lanes share a product: each adds every across-th four terms in order, then the partial sums are added in order.
// With one of them a product is summed as the matmul kernels do; sums over s are so in any case. Neither depends on the
// batch nor on how far the sources are padded. Between the phases the row's scores go through `weights` and `terms`, not
// workgroup memory, so S may be anything.

struct Params {
  start: u32, // first row: step · B
  batch: u32, // B
  sources: u32, // S
  units: u32, // H / 4
  memoryUnits: u32, // M / 4
  addsWeights: u32,
  addsSums: u32,
}

alias stored = f32; // or f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> vectors: array<vec4<stored>>;
@group(0) @binding(2) var<storage, read> left: array<vec4<stored>>;
@group(0) @binding(3) var<storage, read> right: array<vec4<stored>>;
@group(0) @binding(4) var<storage, read> lengths: array<u32>;
@group(0) @binding(5) var<storage, read_write> weights: array<f32>;
@group(0) @binding(6) var<storage, read> weightsRead: array<f32>;
@group(0) @binding(7) var<storage, read_write> terms: array<f32>;
@group(0) @binding(8) var<storage, read_write> sums: array<vec4<stored>>;
@group(0) @binding(9) var<storage, read_write> dScores: array<f32>;

override lanes: u32 = 32;
override across: u32 = 4;
const lowest = -3.4028234e38;
var<workgroup> partial: array<f32, 256>; // of the most lanes there may be

// The product of a vector and row `leftAt` of `left`, of `width` fours each, in the first of the lanes that share it. All
// lanes of the workgroup must come here; those with `exists` false only for the barriers.
fn product(lane: u32, exists: bool, vectorAt: u32, leftAt: u32, width: u32) -> f32 {
  var sum = 0.0;
  if (exists) {
    for (var k = lane % across; k < width; k += across) {
      let x = vec4f(vectors[vectorAt + k]);
      let y = vec4f(left[leftAt + k]);
      sum = fma(x.w, y.w, fma(x.z, y.z, fma(x.y, y.y, fma(x.x, y.x, sum))));
    }
  }
  if (across > 1u) {
    partial[lane] = sum;
    workgroupBarrier();
    if (lane % across == 0u) {
      for (var other = 1u; other < across; other++) {
        sum += partial[lane + other];
      }
    }
    workgroupBarrier();
  }
  return sum;
}

@compute @workgroup_size(lanes)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = params.start + group.x;
  let b = row % params.batch;
  let length = min(lengths[b], params.sources);
  let at = row * params.sources;
  let queryAt = row * params.units;

  for (var first = 0u; first < length; first += lanes / across) {
    let s = first + lane / across;
    let score = product(lane, s < length, queryAt, (s * params.batch + b) * params.units, params.units);
    if (s < length && lane % across == 0u) {
      weights[at + s] = score;
    }
  }
  storageBarrier();

  var largest = lowest;
  for (var s = 0u; s < length; s++) {
    largest = max(largest, weights[at + s]);
  }
  for (var s = lane; s < length; s += lanes) {
    terms[at + s] = exp(weights[at + s] - largest);
  }
  storageBarrier();

  var sum = 0.0;
  for (var s = 0u; s < length; s++) {
    sum += terms[at + s];
  }
  let scale = 1.0 / max(sum, 1e-30);
  for (var s = lane; s < params.sources; s += lanes) {
    var weight = 0.0;
    if (s < length) {
      weight = terms[at + s] * scale;
    }
    weights[at + s] = weight;
  }
  let joinedAt = row * (params.memoryUnits + params.units);
  for (var unit = lane; unit < params.memoryUnits; unit += lanes) {
    var context = vec4f();
    for (var s = 0u; s < length; s++) {
      let state = vec4f(right[(s * params.batch + b) * params.memoryUnits + unit]);
      context = fma(vec4f(terms[at + s] * scale), state, context);
    }
    sums[joinedAt + unit] = vec4<stored>(context);
  }
  for (var unit = lane; unit < params.units; unit += lanes) {
    sums[joinedAt + params.memoryUnits + unit] = vectors[queryAt + unit];
  }
}

@compute @workgroup_size(lanes)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = params.start + group.x;
  let b = row % params.batch;
  let length = min(lengths[b], params.sources);
  let at = row * params.sources;
  let joinedAt = row * (params.memoryUnits + params.units);

  for (var first = 0u; first < length; first += lanes / across) {
    let s = first + lane / across;
    let leftAt = (s * params.batch + b) * params.memoryUnits;
    var slope = product(lane, s < length, joinedAt, leftAt, params.memoryUnits);
    if (s < length && lane % across == 0u) {
      if (params.addsWeights == 1u) {
        slope += terms[at + s];
      }
      terms[at + s] = slope;
    }
  }
  storageBarrier();

  var mean = 0.0;
  for (var s = 0u; s < length; s++) {
    mean += weightsRead[at + s] * terms[at + s];
  }
  for (var s = lane; s < params.sources; s += lanes) {
    var slope = 0.0;
    if (s < length) {
      slope = weightsRead[at + s] * (terms[at + s] - mean);
    }
    dScores[at + s] = slope;
  }
  let queryAt = row * params.units;
  for (var unit = lane; unit < params.units; unit += lanes) {
    var sum = vec4f();
    for (var s = 0u; s < length; s++) {
      let slope = weightsRead[at + s] * (terms[at + s] - mean);
      sum = fma(vec4f(slope), vec4f(right[(s * params.batch + b) * params.units + unit]), sum);
    }
    sum += vec4f(vectors[joinedAt + params.memoryUnits + unit]);
    if (params.addsSums == 1u) {
      sum += vec4f(sums[queryAt + unit]);
    }
    sums[queryAt + unit] = vec4<stored>(sum);
  }
}
