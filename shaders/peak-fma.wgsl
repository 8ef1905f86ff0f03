// What arithmetic costs when nothing else does: twelve chains of multiply-adds a thread, enough to hide the latency of an
// addition and few enough to stay in registers, also where a CPU plays the GPU. Benchmarks measure the device's peak with
// it; the values are of no use to anybody, but right.
//
//   x_c,0 = start (i + c / 16)      x_c,r+1 = x_c,r · factor + summand      y[i] = sum_c x_c,rounds
//
// `fused` asks for fma(), `separate` leaves it to the compiler whether the two are one.
//
//   y  [invocations]  written, every element by the invocation of its index

struct Params {
  rounds: u32, // 24 operations each
  start: f32,
  factor: f32,
  summand: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

const offsets = vec4f(0.0, 1.0, 2.0, 3.0) / 16.0;
const ones = vec4f(1.0);

@compute @workgroup_size(64)
fn fused(@builtin(global_invocation_id) id: vec3u) {
  let first = params.start * (vec4f(f32(id.x)) + offsets);
  let factor = vec4f(params.factor);
  let summand = vec4f(params.summand);
  var a = first;
  var b = first + params.start * 4.0 / 16.0;
  var c = first + params.start * 8.0 / 16.0;
  for (var round = 0u; round < params.rounds; round += 4u) {
    a = fma(a, factor, summand);
    b = fma(b, factor, summand);
    c = fma(c, factor, summand);
    a = fma(a, factor, summand);
    b = fma(b, factor, summand);
    c = fma(c, factor, summand);
    a = fma(a, factor, summand);
    b = fma(b, factor, summand);
    c = fma(c, factor, summand);
    a = fma(a, factor, summand);
    b = fma(b, factor, summand);
    c = fma(c, factor, summand);
  }
  y[id.x] = dot(a + b + c, ones);
}

@compute @workgroup_size(64)
fn separate(@builtin(global_invocation_id) id: vec3u) {
  let first = params.start * (vec4f(f32(id.x)) + offsets);
  let factor = vec4f(params.factor);
  let summand = vec4f(params.summand);
  var a = first;
  var b = first + params.start * 4.0 / 16.0;
  var c = first + params.start * 8.0 / 16.0;
  for (var round = 0u; round < params.rounds; round += 4u) {
    a = a * factor + summand;
    b = b * factor + summand;
    c = c * factor + summand;
    a = a * factor + summand;
    b = b * factor + summand;
    c = c * factor + summand;
    a = a * factor + summand;
    b = b * factor + summand;
    c = c * factor + summand;
    a = a * factor + summand;
    b = b * factor + summand;
    c = c * factor + summand;
  }
  y[id.x] = dot(a + b + c, ones);
}
