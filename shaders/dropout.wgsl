// Inverted dropout, y[i] = x[i] / (1 - p) with probability 1 - p, else 0; added to y where accumulate = 1. Applied to
// a gradient with the same numbers it is its own backward pass.
//
// The random numbers are those of Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC
// 2011): element i takes word i % 4 of the block with
//   counter = (i / 4, site, step low, step high)    key = (seed low, seed high)
// so no two elements, sites or steps share a number, and a range of elements gets the same mask as the whole.
// src/ops/philox.ts is the same on the CPU.
//
// `fours` loads and stores 16 bytes at a time, where start and end are multiples of 4.
//
//   random  [4] u32       read     seed low, seed high, step low, step high
//   x       [end]         read
//   y       [end]         written  must not be x's buffer
//   blocks  [end, 6] u32  read     by `generate`: counters and keys
//   words   [end, 4] u32  written  by `generate`: their numbers

struct Params {
  start: u32, // first element
  end: u32, // element after the last
  site: u32,
  threshold: u32, // p * 2^32: an element is dropped where its number is below
  scale: f32, // 1 / (1 - p)
  accumulate: u32,
  stride: u32, // fours of elements that a row of the grid covers
}

alias source = f32; // or f16
alias stored = f32; // or f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> random: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<source>;
@group(0) @binding(3) var<storage, read_write> y: array<stored>;
@group(0) @binding(4) var<storage, read> blocks: array<u32>;
@group(0) @binding(5) var<storage, read_write> words: array<u32>;
@group(0) @binding(6) var<storage, read> xFours: array<vec4<source>>;
@group(0) @binding(7) var<storage, read_write> yFours: array<vec4<stored>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let quad = params.start / 4u + id.y * params.stride + id.x;
  let first = quad * 4u;
  if (first >= params.end) {
    return;
  }
  let numbers = philox(vec4u(quad, params.site, random[2], random[3]), vec2u(random[0], random[1]));
  for (var lane = 0u; lane < 4u; lane++) {
    let i = first + lane;
    if (i >= params.start && i < params.end) {
      var value = select(0.0, f32(x[i]) * params.scale, numbers[lane] >= params.threshold);
      if (params.accumulate == 1u) {
        value += f32(y[i]);
      }
      y[i] = stored(value);
    }
  }
}

@compute @workgroup_size(64)
fn fours(@builtin(global_invocation_id) id: vec3u) {
  let quad = params.start / 4u + id.y * params.stride + id.x;
  if (quad >= params.end / 4u) {
    return;
  }
  let numbers = philox(vec4u(quad, params.site, random[2], random[3]), vec2u(random[0], random[1]));
  let keeps = numbers >= vec4u(params.threshold);
  var value = select(vec4f(0.0), vec4f(xFours[quad]) * params.scale, keeps);
  if (params.accumulate == 1u) {
    value += vec4f(yFours[quad]);
  }
  yFours[quad] = vec4<stored>(value);
}

// The bare generator, to check it against known answers.
@compute @workgroup_size(64)
fn generate(@builtin(global_invocation_id) id: vec3u) {
  let n = id.x;
  if (n >= params.end) {
    return;
  }
  let at = n * 6u;
  let counter = vec4u(blocks[at], blocks[at + 1u], blocks[at + 2u], blocks[at + 3u]);
  let numbers = philox(counter, vec2u(blocks[at + 4u], blocks[at + 5u]));
  for (var lane = 0u; lane < 4u; lane++) {
    words[n * 4u + lane] = numbers[lane];
  }
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
