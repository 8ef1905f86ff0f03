// Stochastic gradient descent, as torch.optim.SGD with dampening 0, over one segment of the parameters' arena:
//
//   g ← coefficient · g + weightDecay · w
//   m ← momentum · m + g
//   w ← w - rate · (nesterov ? g + momentum · m : m)         w - rate · g in `plain`, which has no m
//
// and the gradient is cleared for the next step. Where the update is to be left out, only that happens.
//
//   values     [size]  updated; sizes are in vec4, buffers all distinct
//   gradients  [size]  read, then zero
//   momenta    [size]  updated; bound by `momentum` only
//   hyper      [8]     read: rate, momentum, weight decay, nesterov (0 or 1)
//   update     [4]     read: norm, coefficient, 1 where the update is to be left out

struct Params {
  size: u32,
  stride: u32, // elements a row of the grid
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> values: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> gradients: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> momenta: array<vec4f>;
@group(0) @binding(4) var<storage, read> hyper: array<f32>;
@group(0) @binding(5) var<storage, read> update: array<f32>;

@compute @workgroup_size(64)
fn plain(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * params.stride + id.x;
  if (i >= params.size) {
    return;
  }
  if (update[2] == 0.0) {
    let w = values[i];
    let g = gradients[i] * update[1] + hyper[2] * w;
    values[i] = w - hyper[0] * g;
  }
  gradients[i] = vec4f(0.0);
}

@compute @workgroup_size(64)
fn momentum(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * params.stride + id.x;
  if (i >= params.size) {
    return;
  }
  if (update[2] == 0.0) {
    let w = values[i];
    let g = gradients[i] * update[1] + hyper[2] * w;
    let m = hyper[1] * momenta[i] + g;
    momenta[i] = m;
    values[i] = w - hyper[0] * select(m, g + hyper[1] * m, hyper[3] == 1.0);
  }
  gradients[i] = vec4f(0.0);
}
