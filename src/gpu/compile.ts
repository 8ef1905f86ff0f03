/**
 * From WGSL to a pipeline. The bind group layout comes from the generated table, so it is the same for every
 * variant of an entry point; what the compiler complains of becomes one error with the kernel's name and lines.
 */
import { KernelError } from '../errors.ts';
import { type ShaderInfo, shaderTitle } from './shader.ts';

export interface Kernel {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

const computeStage = 0x4; // GPUShaderStage.COMPUTE, which Node does not define before a device is open

export async function compilePipeline(
  device: GPUDevice,
  shader: ShaderInfo,
  entry: string,
  constants: Readonly<Record<string, number>>,
): Promise<Kernel> {
  const label = `${shader.name}/${entry}`;
  const info = shader.entries[entry];
  if (!info) throw new KernelError(`${shaderTitle(shader)} has no entry point '${entry}'`);
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ label: shader.name, code: shader.code });
  const scope = device.popErrorScope();
  const messages = (await module.getCompilationInfo()).messages.filter((message) => message.type === 'error');
  const invalid = await scope;
  if (messages.length > 0 || invalid) throw new KernelError(explain(shader, messages, invalid?.message));
  const entries: GPUBindGroupLayoutEntry[] = Object.values(info.bindings).map(({ binding, access }) => ({
    binding,
    visibility: computeStage,
    buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
  }));
  if (info.usesParams) entries.push({ binding: 0, visibility: computeStage, buffer: { type: 'uniform' } });
  const layout = device.createBindGroupLayout({ label, entries });
  try {
    const pipeline = await device.createComputePipelineAsync({
      label,
      layout: device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: entry, constants },
    });
    return { pipeline, layout };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new KernelError(`${shaderTitle(shader)}, entry '${entry}': ${reason}`, { cause });
  }
}

function explain(shader: ShaderInfo, messages: readonly GPUCompilationMessage[], fallback = ''): string {
  const lines = shader.code.split('\n');
  const details = messages.map(
    ({ lineNum, linePos, message }) =>
      `  line ${lineNum}:${linePos}: ${message}\n    ${lines[lineNum - 1]?.trim() ?? ''}`,
  );
  return `${shaderTitle(shader)} does not compile\n${details.join('\n') || fallback}`;
}
