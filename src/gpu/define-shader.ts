/**
 * A shader of one's own, for `tape.dispatch` to take beside the names of `shaders/`: a cell, a score or an op that lives
 * outside of this package needs no build step. The text keeps to the conventions of `scripts/generate-shaders.mjs`:
 * storage arrays in group 0, and at most one uniform, `params` at binding 0, a struct of u32, i32 and f32 fields. To take
 * part in mixed precision it declares how its activations are stored (`stored-as.ts`).
 */
import { KernelError } from '../errors.ts';
import { type Shader, type ShaderInfo, type StorageBinding, shaderNames } from './shader.ts';

/** By entry point, the names of the storage bindings that it uses. */
export type EntryBindings = Readonly<Record<string, readonly string[]>>;

/** A `ShaderInfo` that knows its entries by name, so that a missing or misspelt binding is a compile error. */
export interface DefinedShader<E extends EntryBindings> extends Omit<ShaderInfo, 'entries'> {
  readonly entries: {
    readonly [Entry in keyof E]: {
      readonly usesParams: boolean;
      readonly bindings: Readonly<Record<E[Entry][number], StorageBinding>>;
    };
  };
}

type Field = ShaderInfo['params'][number];

/**
 * Describes a shader from its text; `name` is what errors and plans call it. Throws KernelError where the name is one of
 * `shaders/`, where an entry names a binding that the text does not declare, or where the uniform is none of the above.
 * What the text itself does wrong comes out when its first plan is built.
 */
export function defineShader<const E extends EntryBindings>(
  name: string,
  code: string,
  entries: E,
): DefinedShader<E> {
  const fail = (message: string): never => {
    throw new KernelError(`the shader '${name}' ${message}`);
  };
  if ((shaderNames() as Shader[]).includes(name as Shader)) fail('has the name of one that is there already');
  const text = code.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
  const storage = new Map<string, StorageBinding>();
  for (const [, binding, access, variable, type] of text.matchAll(
    /@group\(0\)\s*@binding\((\d+)\)\s*var<storage(?:,\s*(read|read_write))?>\s*(\w+)\s*:\s*array<([\w<>\s]+)/g,
  )) {
    storage.set(variable!, {
      binding: Number(binding),
      access: access === 'read_write' ? access : 'read',
      element: elementType(type!),
    });
  }
  const params = uniformFields(text, fail);
  const described = Object.entries(entries).map(([entry, names]) => {
    const bindings = names.map((variable) => {
      const known = storage.get(variable) ?? fail(`declares no storage buffer '${variable}'`);
      return [variable, known] as const;
    });
    return [entry, { usesParams: params.length > 0, bindings: Object.fromEntries(bindings) }] as const;
  });
  return {
    name,
    code,
    params,
    paramsBytes: 4 * params.length,
    overrides: [...text.matchAll(/\boverride\s+(\w+)/g)].map(([, override]) => override!),
    entries: Object.fromEntries(described) as DefinedShader<E>['entries'],
  };
}

/** Of `f32`, `vec4f`, `vec4<f32>` (with whatever follows them): f32. */
function elementType(type: string): string {
  const [, short, long] = /^(?:vec[234](?:([fui])\b|<\s*(?=\w)))?\s*(\w*)/.exec(type.trim()) ?? [];
  return short ? { f: 'f32', u: 'u32', i: 'i32' }[short]! : long!;
}

function uniformFields(text: string, fail: (message: string) => never): Field[] {
  const [uniform, ...others] = text.matchAll(/@binding\((\d+)\)\s*var<uniform>\s*(\w+)\s*:\s*(\w+)/g);
  if (!uniform) return [];
  const [, binding, variable, type] = uniform;
  if (others.length > 0) fail('has more than one uniform');
  if (variable !== 'params' || binding !== '0') fail('must call its uniform `params`, at binding 0');
  const body = new RegExp(`struct\\s+${type}\\s*{([^}]*)}`).exec(text)?.[1] ?? fail(`has no struct ${type}`);
  const members = body.split(',').flatMap((member) => member.trim() || []);
  return members.map((member, index) => {
    const [, field, scalar] =
      /^(\w+)\s*:\s*(u32|i32|f32)$/.exec(member) ??
      fail(`has a field '${member}' that is no u32, i32 or f32`);
    return { name: field!, type: scalar as Field['type'], offset: 4 * index };
  });
}
