/**
 * Reads every `shaders/*.wgsl` and writes `src/generated/shaders.ts`: the source text (so that the built JS
 * carries it) and what wgsl_reflect says of its entry points, bindings and uniform fields. The scheduler derives
 * its types from that object, so a missing or misspelt buffer is a compile error.
 *
 * Conventions that it enforces, naming the file: group 0 only; at most one uniform, called `params`, at binding 0,
 * a struct of scalar u32/i32/f32 fields; everything else is a storage array; at most 8 storage buffers an entry.
 *
 * A line `alias stored = f32;` (any name) says that buffers of this type may hold f16 as well: `src/gpu/stored-as.ts` puts
 * f16 in its place. Here every such variant is parsed, and from what changes in it each binding gets its `element`: the
 * name of such a type, or the number type that it always holds.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const scalars = new Set(['u32', 'i32', 'f32']);
const portableStorageBuffers = 8;

/** Of a storage array's type: the number type of its elements, be they scalars or vectors. */
function numberType(type) {
  const { name, format } = type.format ?? type;
  if (format) return format.name;
  return { f: 'f32', u: 'u32', i: 'i32' }[/^vec[234]([fui])$/.exec(name)?.[1]] ?? name;
}

/** By binding, the `alias` of f32 that its elements have: whatever is f16 where the alias is. */
function storedTypes(code) {
  const aliases = [...code.matchAll(/^alias (\w+) = f32;/gm)].map(([, alias]) => alias);
  const owners = aliases.flatMap((alias) => {
    const half = `enable f16; ${code.replace(`alias ${alias} = f32;`, `alias ${alias} = f16;`)}`;
    const halves = new WgslReflect(half).storage.filter(({ type }) => numberType(type) === 'f16');
    return halves.map(({ name }) => [name, alias]);
  });
  return new Map(owners);
}

function describe(name, code) {
  const fail = (message) => {
    throw new Error(`shaders/${name}.wgsl: ${message}`);
  };
  const reflect = new WgslReflect(code);
  const uniform = reflect.uniforms[0];
  if (reflect.uniforms.length > 1) fail('more than one uniform');
  if (uniform && (uniform.name !== 'params' || uniform.binding !== 0)) {
    fail('the uniform must be `params` at binding 0');
  }
  const params = (uniform?.type.members ?? []).map((member) => {
    if (!scalars.has(member.type.name)) fail(`params.${member.name} is not a u32, i32 or f32`);
    return { name: member.name, type: member.type.name, offset: member.offset };
  });
  const stored = storedTypes(code);
  const entries = {};
  for (const entry of reflect.entry.compute) {
    const bindings = {};
    let usesParams = false;
    for (const resource of entry.resources) {
      if (resource.group !== 0) fail(`${resource.name} is not in group 0`);
      if (resource.name === 'params') {
        usesParams = true;
        continue;
      }
      if (resource.access !== 'read' && resource.access !== 'read_write') {
        fail(`${resource.name} is not a storage buffer`);
      }
      const element = stored.get(resource.name) ?? numberType(resource.type);
      bindings[resource.name] = { binding: resource.binding, access: resource.access, element };
    }
    const count = Object.keys(bindings).length;
    if (count > portableStorageBuffers) fail(`${entry.name} binds ${count} storage buffers, more than 8`);
    entries[entry.name] = { usesParams, bindings };
  }
  const overrides = reflect.overrides.map((override) => override.name);
  return { name, entries, params, paramsBytes: uniform?.type.size ?? 0, overrides, code };
}

const files = readdirSync(join(root, 'shaders'))
  .filter((file) => file.endsWith('.wgsl'))
  .sort();
const shaders = files.map((file) =>
  describe(file.slice(0, -'.wgsl'.length), readFileSync(join(root, 'shaders', file), 'utf8')),
);
// The text is no part of the type, which is what declarations are made of.
const body = shaders
  .map(({ code, ...shader }) => {
    const fields = JSON.stringify(shader, null, 2).slice(0, -'\n}'.length);
    return `  '${shader.name}': ${fields},\n  "code": ${JSON.stringify(code)} as string\n},`;
  })
  .join('\n');
const text = `// Made by scripts/generate-shaders.mjs from shaders/*.wgsl. Do not edit.\nexport const shaders = {\n${body}\n} as const;\n`;
mkdirSync(join(root, 'src/generated'), { recursive: true });
writeFileSync(join(root, 'src/generated/shaders.ts'), text);
console.log(`src/generated/shaders.ts: ${shaders.length} shaders`);
