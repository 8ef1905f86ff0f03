/**
 * Looks for data races in a kernel: wgsl_reflect runs every invocation of the workgroups between barriers and reports
 * two that touch one place, one of them writing. (Its numbers are no reference; its order of execution is not a GPU's.)
 */
import { detectRaces } from 'wgsl_reflect/wgsl_reflect.module.js';
import { type EntryName, type Params, packParams, type Shader, shaderInfo } from '../../src/gpu/shader.ts';

export interface RaceCheck<S extends Shader> {
  /** By name of the binding. */
  readonly buffers: Readonly<Record<string, Float32Array | Uint32Array>>;
  readonly params: Partial<Params<S>>;
  readonly workgroups: readonly [number, number, number];
  /** Instead of the shader's own text: to see that a broken one is caught. */
  readonly code?: string;
}

/** The messages of the races found; throws where the run did not come to its end. */
export function findRaces<S extends Shader>(shader: S, entry: EntryName<S>, check: RaceCheck<S>): string[] {
  const info = shaderInfo(shader);
  const group: Record<string, unknown> = {};
  if (info.entries[entry]?.usesParams) {
    group['0'] = { uniform: new Uint8Array(packParams(info, check.params as Record<string, number>)) };
  }
  for (const [name, { binding }] of Object.entries(info.entries[entry]?.bindings ?? {})) {
    const buffer = check.buffers[name];
    if (!buffer) throw new Error(`no buffer given for '${name}'`);
    group[String(binding)] = buffer.slice();
  }
  const found = detectRaces(check.code ?? info.code, entry, [...check.workgroups], { '0': group });
  if (found.errors.length > 0)
    throw new Error(`${info.name}/${entry} did not run: ${found.errors.join('; ')}`);
  return found.races.map(({ message }) => message);
}
