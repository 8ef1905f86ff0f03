/** The folders of `src/` are rooms in a row: each imports from those to its left alone, and only Node's touch Node. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const source = fileURLToPath(new URL('../../src', import.meta.url));

/** Left to right, as in CONTRIBUTING.md. */
const rooms = [
  'reference',
  'data',
  'gpu',
  'scheduler',
  'ops',
  'nn',
  'optim',
  'self-test',
  'decode',
  'train',
  'models',
  'experiments',
  'bench',
  'node',
  'cli',
];
/** Open to all. */
const common = ['errors.ts', 'generated'];
/** The package's entries, and what they share: they may import from every room but these. */
const entries = new Map([
  ['index.ts', ['node', 'cli']],
  ['shared.ts', ['node', 'cli']],
  ['ops.ts', ['node', 'cli']],
  ['bench.ts', ['node', 'cli']],
  ['node.ts', ['cli']],
]);
const nodeRooms = ['node', 'cli'];
/** Packages that code outside of Node's rooms may use: what runs everywhere. */
const portablePackages = ['yaml'];

interface Module {
  /** Relative to `src/`. */
  readonly path: string;
  readonly text: string;
  /** The first folder, or the file's own name. */
  readonly room: string;
  readonly imports: readonly string[];
}

const modules = new Map(
  (readdirSync(source, { recursive: true }) as string[])
    .filter((path) => path.endsWith('.ts'))
    .map((path) => [path, readModule(path)] as const),
);

function readModule(path: string): Module {
  const text = readFileSync(join(source, path), 'utf8');
  return { path, text, room: path.split('/')[0]!, imports: importsOf(text) };
}

/** The names after `from`, in a bare `import` and in `import(…)`; types count, since they tie rooms together as well. */
function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const statements = /\bfrom '([^']+)'|^import '([^']+)'|\bimport\(\s*(?:\/\*.*?\*\/\s*)?'([^']+)'/gm;
  return [...code.matchAll(statements)].map(([, from, bare, dynamic]) => (from ?? bare ?? dynamic)!);
}

/** The module of `src/` that a relative import names, as a path. */
function resolved(module: Module, name: string): string {
  return relative(source, join(source, dirname(module.path), name));
}

function isAllowed(module: Module, target: string): boolean {
  const room = target.split('/')[0]!;
  if (common.includes(room)) return true;
  const forbidden = entries.get(module.path);
  if (forbidden) return !forbidden.includes(room);
  return rooms.includes(room) && rooms.indexOf(room) <= rooms.indexOf(module.room);
}

test('CONTRIBUTING.md names them in this order', () => {
  const text = readFileSync(join(source, '../CONTRIBUTING.md'), 'utf8');
  expect(text).toContain(`\`${rooms.join(' → ')}\``);
});

test('every module is in a room', () => {
  const known = [...rooms, ...common, ...entries.keys()];
  expect([...modules.values()].filter(({ room }) => !known.includes(room)).map(({ path }) => path)).toEqual(
    [],
  );
  expect(modules.size).toBeGreaterThan(100);
});

describe('each room imports from the left alone', () => {
  test.each([...rooms, ...entries.keys()])('%s', (room) => {
    const own = [...modules.values()].filter((module) => module.room === room);
    expect(own).not.toEqual([]);
    const wrong = own.flatMap((module) =>
      module.imports
        .filter((name) => name.startsWith('.'))
        .filter((name) => !isAllowed(module, resolved(module, name)))
        .map((name) => `${module.path} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test('what would be wrong is seen', () => {
    const ops = { ...modules.get('ops/softmax.ts')!, imports: ['../nn/seq2seq.ts'] };
    expect(isAllowed(ops, resolved(ops, '../nn/seq2seq.ts'))).toBe(false);
    expect(isAllowed(ops, resolved(ops, '../scheduler/tape.ts'))).toBe(true);
    expect(importsOf("const x = () => import('webgpu');\nexport * from 'node:fs';\n// from 'a'\n")).toEqual([
      'webgpu',
      'node:fs',
    ]);
  });
});

test('only node/ and cli/ touch Node, its packages and its process', () => {
  const wrong = [...modules.values()]
    .filter(({ room }) => ![...nodeRooms, 'node.ts', 'generated'].includes(room))
    .flatMap(({ path, text, imports }) => {
      const packages = imports.filter((name) => !name.startsWith('.') && !portablePackages.includes(name));
      const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
      const globals = code.match(/\b(process|Buffer|__dirname|require|NodeJS)\b(?=[.(])/g) ?? [];
      return [...packages, ...globals].map((name) => `${path} uses ${name}`);
    });
  expect(wrong).toEqual([]);
});

test.each(['index.ts', 'ops.ts', 'bench.ts'])('nothing of Node is reachable from %s', (entry) => {
  const reached = new Set<string>();
  const open = [entry];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    const module = modules.get(path);
    expect(module, `${path} exists`).toBeDefined();
    for (const name of module!.imports) {
      if (name.startsWith('.')) open.push(resolved(module!, name));
      else expect(portablePackages, `${path} imports ${name}`).toContain(name);
    }
  }
  expect(reached.size).toBeGreaterThan(20);
  expect([...reached].filter((path) => nodeRooms.includes(path.split('/')[0]!))).toEqual([]);
});
