// Adam (Kingma & Ba 2015) and AdamW (Loshchilov & Hutter 2019) as in torch.optim, over one segment of the parameters'
// arena. With c1 = 1 - beta1^t and c2 = 1 - beta2^t, which the host computes for every step t:
//
//   g ← coefficient · g + coupledDecay · w      (Adam's weight decay)
//   w ← keep · w                                (AdamW's: keep = 1 - rate · weight decay)
//   m ← beta1 · m + (1 - beta1) · g
//   v ← beta2 · v + (1 - beta2) · g²
//   w ← w - (rate / c1) · m / (sqrt(v) / sqrt(c2) + eps)
//
// and the gradient is cleared for the next step. Where the update is to be left out, only that happens.
//
//   values     [size]  updated; sizes are in vec4, buffers all distinct
//   gradients  [size]  read, then zero
//   means      [size]  updated: m
//   squares    [size]  updated: v
//   hyper      [8]     read: beta1, 1 - beta1, beta2, 1 - beta2, rate / c1, 1 / sqrt(c2), eps, decay, where decay is
//                      coupledDecay in `coupled` and keep in `decoupled`
//   update     [4]     read: norm, coefficient, 1 where the update is to be left out

struct Params {
  size: u32,
  stride: u32, // elements a row of the grid
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> values: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> gradients: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> means: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> squares: array<vec4f>;
@group(0) @binding(5) var<storage, read> hyper: array<f32>;
@group(0) @binding(6) var<storage, read> update: array<f32>;

// Moves both moments of element i by the gradient g; what to take off the weight.
fn descend(i: u32, g: vec4f) -> vec4f {
  let m = hyper[0] * means[i] + hyper[1] * g;
  let v = hyper[2] * squares[i] + hyper[3] * (g * g);
  means[i] = m;
  squares[i] = v;
  return hyper[4] * (m / (sqrt(v) * hyper[5] + hyper[6]));
}

@compute @workgroup_size(64)
fn coupled(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * params.stride + id.x;
  if (i >= params.size) {
    return;
  }
  if (update[2] == 0.0) {
    let w = values[i];
    values[i] = w - descend(i, gradients[i] * update[1] + hyper[7] * w);
  }
  gradients[i] = vec4f(0.0);
}

@compute @workgroup_size(64)
fn decoupled(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * params.stride + id.x;
  if (i >= params.size) {
    return;
  }
  if (update[2] == 0.0) {
    values[i] = hyper[7] * values[i] - descend(i, gradients[i] * update[1]);
  }
  gradients[i] = vec4f(0.0);
}
