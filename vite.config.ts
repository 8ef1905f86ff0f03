/**
 * Builds `dist/`: the entries of package.json as ES modules that import nothing but each other, `node:` modules and
 * (from Node's code alone, when a device is opened) `webgpu`. What else they need is bundled, with its licences in
 * `dist/licenses.txt`, so that the browser's build also runs without a bundler and installing Couplet installs nothing
 * else. The shaders' text is in `src/generated/shaders.ts`.
 */
import { chmodSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { defineConfig, type Plugin } from 'vite';

export default defineConfig({
  plugins: [bundledLicenses(), executable('dist/cli.js')],
  build: {
    target: 'es2022',
    minify: false,
    emptyOutDir: true,
    lib: {
      entry: {
        index: 'src/index.ts',
        node: 'src/node.ts',
        ops: 'src/ops.ts',
        bench: 'src/bench.ts',
        cli: 'src/cli/main.ts',
      },
      formats: ['es'],
    },
    rolldownOptions: {
      external: [/^node:/, 'webgpu'],
      // Flat: `cli.js` finds `../recipes` and `../package.json` from wherever its code ends up.
      output: { entryFileNames: '[name].js', chunkFileNames: 'chunk-[name].js' },
    },
  },
});

/** Writes `licenses.txt` with the licence of every package that became part of the output. */
function bundledLicenses(): Plugin {
  return {
    name: 'bundled-licenses',
    generateBundle(_options, bundle) {
      const folders = new Set<string>();
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== 'chunk') continue;
        for (const id of chunk.moduleIds) if (id.includes('/node_modules/')) folders.add(packageFolder(id));
      }
      const texts = [...folders].sort().map((folder) => {
        const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
        const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
        if (!file) this.error(`${name} has no licence file: it cannot be bundled`);
        return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
      });
      const source = `Couplet's files hold parts of these packages:\n\n${texts.join('\n---\n\n')}`;
      this.emitFile({ type: 'asset', fileName: 'licenses.txt', source });
    },
  };
}

function packageFolder(file: string): string {
  let folder = dirname(file.split('?')[0]!);
  while (!/\/node_modules\/(@[^/]+\/)?[^/]+$/.test(folder)) folder = dirname(folder);
  return folder;
}

function executable(file: string): Plugin {
  let path = file;
  return {
    name: 'executable',
    configResolved({ root, build }) {
      path = join(root, build.outDir, file.replace(/^.*\//, ''));
    },
    closeBundle() {
      if (existsSync(path)) chmodSync(path, 0o755);
    },
  };
}
