// The recurrent weights as the forward kernels of the cells want them: both directions in one binding, transposed, and
// the gates of a unit side by side, so that 16 bytes are the next factors of one lane.
//
//   packed[d, k, u·stride + g] = weight_d[g·H + u, k]     0 where u >= H or g >= G
//   packedBias[d, j]           = bias_d[j]
//
//   weight0, weight1  [G·H, H]              of direction 0 and 1 (the same where D = 1)
//   bias0, bias1      [G·H]
//   packed            [D, H, columns]       written; columns = H·stride rounded up to a multiple of 4
//   packedBias        [D, G·H]              written
// Neither written buffer may share memory with anything else.

struct Params {
  hidden: u32, // H
  gates: u32, // G
  stride: u32, // a power of two, at least G
  columns: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight0: array<f32>;
@group(0) @binding(2) var<storage, read> weight1: array<f32>;
@group(0) @binding(3) var<storage, read> bias0: array<f32>;
@group(0) @binding(4) var<storage, read> bias1: array<f32>;
@group(0) @binding(5) var<storage, read_write> packed: array<f32>;
@group(0) @binding(6) var<storage, read_write> packedBias: array<f32>;

const tile = 16u;
const pitch = tile + 1u;
var<workgroup> staged: array<f32, tile * pitch>;

// Staged in workgroup memory: reads run along k, writes along the columns, both contiguous.
@compute @workgroup_size(tile, tile)
fn interleave(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let H = params.hidden;
  let direction = group.z;
  let k = group.x * tile + local.x;
  let column = group.y * tile + local.y;
  let gate = column % params.stride;
  let unit = column / params.stride;
  var value = 0.0;
  if (k < H && unit < H && gate < params.gates) {
    let row = gate * H + unit;
    if (direction == 0u) {
      value = weight0[row * H + k];
    } else {
      value = weight1[row * H + k];
    }
    if (k == 0u) {
      packedBias[direction * params.gates * H + row] = select(bias1[row], bias0[row], direction == 0u);
    }
  }
  staged[local.y * pitch + local.x] = value;
  workgroupBarrier();
  let outK = group.x * tile + local.y;
  let outColumn = group.y * tile + local.x;
  if (outK < H && outColumn < params.columns) {
    packed[(direction * H + outK) * params.columns + outColumn] = staged[local.x * pitch + local.y];
  }
}
