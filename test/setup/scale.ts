/** A whole computation on a bare device, in the fewest calls: multiplies `input` by `factor`, one thread a value. */
const source = /* wgsl */ `
  override factor: f32;
  @group(0) @binding(0) var<storage, read> input: array<f32>;
  @group(0) @binding(1) var<storage, read_write> output: array<f32>;

  @compute @workgroup_size(64)
  fn scale(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < arrayLength(&output)) { output[id.x] = input[id.x] * factor; }
  }
`;

export async function scaleOnGpu(
  device: GPUDevice,
  input: Float32Array,
  factor: number,
): Promise<Float32Array> {
  const size = input.byteLength;
  const buffer = (usage: number) => device.createBuffer({ size, usage });
  const from = buffer(0x80 | 0x08); // STORAGE | COPY_DST
  const to = buffer(0x80 | 0x04); // STORAGE | COPY_SRC
  const staging = buffer(0x01 | 0x08); // MAP_READ | COPY_DST
  device.queue.writeBuffer(from, 0, input.buffer, input.byteOffset, size);
  const module = device.createShaderModule({ code: source });
  const pipeline = await device.createComputePipelineAsync({
    layout: 'auto',
    compute: { module, entryPoint: 'scale', constants: { factor } },
  });
  const entries = [from, to].map((bound, binding) => ({ binding, resource: { buffer: bound } }));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(Math.ceil(input.length / 64));
  pass.end();
  encoder.copyBufferToBuffer(to, 0, staging, 0, size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(0x01); // READ
  const result = new Float32Array(staging.getMappedRange().slice(0));
  for (const made of [from, to, staging]) made.destroy();
  return result;
}
