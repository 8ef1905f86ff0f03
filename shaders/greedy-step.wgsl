// One step of greedy decoding: tokens[step + 1, b] = the most probable token of row b.
//
//   <pad> and <s> are never chosen; a row that has ended (its last token is </s> or <pad>) puts out <pad>; of equal
//   logits the lower id wins, so the choice depends on nothing but the row.
//
//   logits  [B, V]           read
//   tokens  [steps + 1, B]   slot `step` read, slot `step + 1` written
//
// One workgroup a row: each lane finds the best of its every lanes-th id, then lane 0 compares them all.

struct Params {
  batch: u32,
  vocabulary: u32,
  step: u32,
  padding: u32, // id of <pad>
  begin: u32, // id of <s>
  end: u32, // id of </s>
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> tokens: array<u32>;

override lanes: u32 = 64; // at most 64; the choice does not depend on it
var<workgroup> bestLogit: array<f32, 64>;
var<workgroup> bestToken: array<u32, 64>;

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let start = row * params.vocabulary;
  var best = -3.4e38;
  var choice = params.end; // what a lane without candidates offers; never better than a real logit
  for (var token = lane; token < params.vocabulary; token += lanes) {
    let logit = logits[start + token];
    if (logit > best && token != params.padding && token != params.begin) {
      best = logit;
      choice = token;
    }
  }
  bestLogit[lane] = best;
  bestToken[lane] = choice;
  workgroupBarrier();
  if (lane != 0u) {
    return;
  }
  for (var other = 1u; other < lanes; other++) {
    let better = bestLogit[other] > best;
    let equal = bestLogit[other] == best && bestToken[other] < choice;
    if (better || equal) {
      best = bestLogit[other];
      choice = bestToken[other];
    }
  }
  let last = tokens[params.step * params.batch + row];
  let ended = last == params.end || last == params.padding;
  tokens[(params.step + 1u) * params.batch + row] = select(choice, params.padding, ended);
}
