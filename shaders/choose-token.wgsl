// The token that a decoder reads after step `step`, drawn and chosen on the device: tokens[step + 1, b] for each row b.
//
//   own = argmax over v of logits[v] + temperature * g[v],   g[v] = -log(-log(1 - u[v])),   u[v] uniform in (0, 1)
//
// is the most probable token at temperature 0 and else a draw from softmax(logits / temperature), since Gumbel noise
// makes argmax a sample (Gumbel 1954; Maddison, Tarlow & Minka, "A* sampling", NIPS 2014). <pad> and <s> are never
// chosen; of equals the lower id wins.
//
// `scheduled` is scheduled sampling (Bengio et al., NIPS 2015): own with probability p, else the teacher's token. Where
// the teacher has <pad>, its row is over and keeps <pad>; the decoder's own </s> ends nothing, it is read like any token.
// `sampled` is one step of generation: always own; a row whose last token is </s> or <pad> puts out <pad>.
//
// Random numbers are Philox 4x32-10 as in dropout.wgsl: row b of a step has the block
//   counter = (step * B + b, site, random step low, random step high)   key = (seed low, seed high)
// whose first word (its upper 24 bits, so that p = 1 is above all of them) decides between own and teacher, and whose
// last two are the key under which token v takes word v % 4 of the block with counter (v / 4, 0, 0, 0).
//
//   logits       [B, V]               read
//   random       [4] u32              read     seed low, seed high, step low, step high
//   teacher      [T, B] u32           read     by `scheduled`: what teacher forcing reads; slot `step + 1`
//   sampling     [>= 1]               read     by `scheduled`: p
//   temperature  [1]                  read     by `sampled`
//   tokens       [> step + 1, B] u32  slot `step + 1` written; slot `step` read by `sampled`
//
// One workgroup a row: each lane finds the best of its every lanes-th four ids, then lane 0 compares them all.

struct Params {
  batch: u32,
  vocabulary: u32,
  step: u32,
  site: u32,
  padding: u32, // id of <pad>
  begin: u32, // id of <s>
  end: u32, // id of </s>
  temperature: f32, // of `scheduled`
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> random: array<u32>;
@group(0) @binding(3) var<storage, read> teacher: array<u32>;
@group(0) @binding(4) var<storage, read> sampling: array<f32>;
@group(0) @binding(5) var<storage, read> temperature: array<f32>;
@group(0) @binding(6) var<storage, read_write> tokens: array<u32>;

override lanes: u32 = 64; // at most 64; the choice does not depend on it
const ulp = 2.3283064365386963e-10; // 2^-32
var<workgroup> bestScore: array<f32, 64>;
var<workgroup> bestToken: array<u32, 64>;

@compute @workgroup_size(lanes)
fn scheduled(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let next = (params.step + 1u) * params.batch + row;
  let taught = teacher[next];
  let numbers = numbersOf(row);
  let u = f32(numbers.x >> 8u) * 5.9604644775390625e-8; // 2^-24
  if (taught == params.padding || u >= sampling[0]) {
    if (lane == 0u) {
      tokens[next] = taught;
    }
    return;
  }
  let own = choose(row, lane, params.temperature, numbers.zw);
  if (lane == 0u) {
    tokens[next] = own;
  }
}

@compute @workgroup_size(lanes)
fn sampled(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let own = choose(row, lane, temperature[0], numbersOf(row).zw);
  if (lane == 0u) {
    let last = tokens[params.step * params.batch + row];
    let ended = last == params.end || last == params.padding;
    tokens[(params.step + 1u) * params.batch + row] = select(own, params.padding, ended);
  }
}

fn numbersOf(row: u32) -> vec4u {
  let counter = vec4u(params.step * params.batch + row, params.site, random[2], random[3]);
  return philox(counter, vec2u(random[0], random[1]));
}

// The row's own token, for lane 0; to be called by all lanes.
fn choose(row: u32, lane: u32, heat: f32, key: vec2u) -> u32 {
  let start = row * params.vocabulary;
  var best = -3.4e38;
  var choice = params.end; // what a lane without candidates offers; never better than a real logit
  for (var first = 4u * lane; first < params.vocabulary; first += 4u * lanes) {
    var noise = vec4f(0.0);
    if (heat > 0.0) {
      let words = philox(vec4u(first / 4u, 0u, 0u, 0u), key);
      noise = heat * vec4f(gumbel(words.x), gumbel(words.y), gumbel(words.z), gumbel(words.w));
    }
    for (var i = 0u; i < min(4u, params.vocabulary - first); i++) {
      let token = first + i;
      let score = logits[start + token] + noise[i];
      if (score > best && token != params.padding && token != params.begin) {
        best = score;
        choice = token;
      }
    }
  }
  bestScore[lane] = best;
  bestToken[lane] = choice;
  workgroupBarrier();
  if (lane == 0u) {
    for (var other = 1u; other < lanes; other++) {
      let better = bestScore[other] > best;
      let equal = bestScore[other] == best && bestToken[other] < choice;
      if (better || equal) {
        best = bestScore[other];
        choice = bestToken[other];
      }
    }
  }
  return choice;
}

// -log(-log(1 - u)) of u = (word + 1/2) / 2^32. The largest values, which decide, come from the smallest u, where
// log(1 - u) has lost their digits: there the inner logarithm is its series (to 1e-8 of the value).
fn gumbel(word: u32) -> f32 {
  let u = (f32(word) + 0.5) * ulp;
  let rest = (f32(~word) + 0.5) * ulp; // 1 - u, never 0
  let series = u * (1.0 + u * (1.0 / 2.0 + u * (1.0 / 3.0 + u * (1.0 / 4.0 + u * (1.0 / 5.0 + u / 6.0)))));
  return -log(select(-log(rest), series, u < 0.0625));
}

fn philox(start: vec4u, seed: vec2u) -> vec4u {
  var counter = start;
  var key = seed;
  for (var round = 0u; round < 10u; round++) {
    let even = multiply(0xD2511F53u, counter.x);
    let odd = multiply(0xCD9E8D57u, counter.z);
    counter = vec4u(odd.y ^ counter.y ^ key.x, odd.x, even.y ^ counter.w ^ key.y, even.x);
    key += vec2u(0x9E3779B9u, 0xBB67AE85u);
  }
  return counter;
}

// The 64 bits of a * b as (low, high), from products of 16-bit halves.
fn multiply(a: u32, b: u32) -> vec2u {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let cross = (a & 0xffffu) * (b >> 16u);
  let middle = (low >> 16u) + (cross & 0xffffu) + (a >> 16u) * (b & 0xffffu); // at most 2^32 - 1
  return vec2u(a * b, (a >> 16u) * (b >> 16u) + (cross >> 16u) + (middle >> 16u));
}
