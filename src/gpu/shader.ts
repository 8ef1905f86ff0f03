/**
 * Types derived from the generated shader table: which entry points a shader has, which buffers each binds and
 * which scalars its uniform holds. They make a missing or misspelt binding a compile error.
 */
import { shaders } from '../generated/shaders.ts';

type Shaders = typeof shaders;
export type ShaderName = keyof Shaders;

/** One of `shaders/` by its name, or one of one's own (`define-shader.ts`). */
export type Shader = ShaderName | ShaderInfo;

type InfoOf<S extends Shader> = S extends ShaderName ? Shaders[S] : S;
type EntriesOf<S extends Shader> = InfoOf<S> extends { entries: infer E } ? E : never;
export type EntryName<S extends Shader> = keyof EntriesOf<S> & string;

/** The storage bindings of one entry, each given a `T`. */
export type Bindings<S extends Shader, E extends EntryName<S>, T> = {
  [Name in keyof (EntriesOf<S>[E] extends { bindings: infer B } ? B : never)]: T;
};

/** The scalar fields of a shader's uniform `params`. */
export type Params<S extends Shader> = {
  [Name in InfoOf<S>['params'][number]['name']]: number;
};

export interface StorageBinding {
  readonly binding: number;
  readonly access: 'read' | 'read_write';
  /** The type of its numbers (f32, u32, …), or the name of one that may be f32 or f16: see `stored-as.ts`. */
  readonly element: string;
}

/** The same table with its exact keys forgotten, for code that walks over any shader. */
export interface ShaderInfo {
  readonly name: string;
  readonly code: string;
  readonly params: readonly { name: string; type: 'u32' | 'i32' | 'f32'; offset: number }[];
  readonly paramsBytes: number;
  readonly overrides: readonly string[];
  readonly entries: Readonly<
    Record<
      string,
      {
        usesParams: boolean;
        bindings: Readonly<Record<string, StorageBinding>>;
      }
    >
  >;
}

export function shaderInfo(shader: Shader): ShaderInfo {
  return typeof shader === 'string' ? (shaders[shader] as ShaderInfo) : shader;
}

export function shaderNames(): ShaderName[] {
  return Object.keys(shaders) as ShaderName[];
}

/** What errors call a shader: its file, where it is one of `shaders/`. */
export function shaderTitle({ name }: ShaderInfo): string {
  return Object.hasOwn(shaders, name) ? `shaders/${name}.wgsl` : `the shader '${name}'`;
}

/** Packs a uniform's fields as the shader lays them out. Bytes beyond the last field are zero. */
export function packParams(shader: ShaderInfo, values: Readonly<Record<string, number>>): ArrayBuffer {
  const bytes = new ArrayBuffer(Math.ceil(shader.paramsBytes / 16) * 16);
  const view = new DataView(bytes);
  for (const { name, type, offset } of shader.params) {
    const value = values[name] ?? 0;
    if (type === 'f32') view.setFloat32(offset, value, true);
    else if (type === 'i32') view.setInt32(offset, value, true);
    else view.setUint32(offset, value, true);
  }
  return bytes;
}
