// What the summed loss is multiplied by before it is differentiated, in mixed precision: the step's own factor times the
// scale that keeps small gradients from vanishing in f16 (gradient-norm.wgsl takes it off again).
//
//   factor     [1]  read
//   lossScale  [4]  read: the first is the scale
//   scaled     [1]  written: factor times scale

@group(0) @binding(1) var<storage, read> factor: array<f32>;
@group(0) @binding(2) var<storage, read> lossScale: array<f32>;
@group(0) @binding(3) var<storage, read_write> scaled: array<f32>;

@compute @workgroup_size(1)
fn main() {
  scaled[0] = factor[0] * lossScale[0];
}
