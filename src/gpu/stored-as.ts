/**
 * Buffers of 16-bit floats. A kernel computes in f32; one that can load and store either type says so with a line
 *
 *   alias stored = f32;
 *
 * gives its buffers that type (`array<stored>`, `array<vec4<stored>>`), and converts where it loads, `f32(x[i])`, and
 * stores, `stored(y)`. The text is whole as it stands. For tensors of f16 the same text is compiled with f16 in that line's
 * place, and nothing else changed: a second pipeline, not a second kernel. A kernel whose buffers need not agree has more
 * than one such line; the tensors that are bound decide (`Tape.dispatch`).
 */
import type { ShaderInfo } from './shader.ts';

/** `mixed`: activations and their gradients are stored as f16; what is updated, or sums over steps, as f32. */
export type Precision = 'f32' | 'mixed';

/** The names of a shader's types that may be f16, in the text's order. */
export function storedTypes({ code }: ShaderInfo): string[] {
  return [...code.matchAll(/^alias (\w+) = f32;/gm)].map(([, name]) => name!);
}

const variants = new WeakMap<ShaderInfo, Map<string, ShaderInfo>>();

/** The shader with f16 for the types named; the same object for the same names, since kernels are cached by it. */
export function storedAsHalf(shader: ShaderInfo, types: readonly string[]): ShaderInfo {
  if (types.length === 0) return shader;
  const known = variants.get(shader) ?? new Map<string, ShaderInfo>();
  variants.set(shader, known);
  const key = types.toSorted().join();
  const variant = known.get(key) ?? { ...shader, code: halved(shader.code, types) };
  known.set(key, variant);
  return variant;
}

/** No line is added, so that a compiler's messages name the lines of the file. */
function halved(code: string, types: readonly string[]): string {
  const text = types.reduce(
    (text, type) => text.replace(`alias ${type} = f32;`, `alias ${type} = f16;`),
    code,
  );
  return `enable f16; ${text}`;
}
