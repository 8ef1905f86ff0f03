/** docs/ops.md from the descriptions of the ops, so that they cannot disagree. */
import type { InputDescription, OpDescription, OutputDescription } from '../src/ops/functions/define-op.ts';
import { shapeText } from '../src/ops/functions/shape-patterns.ts';

const introduction = `# The ops as functions

\`couplet/ops\` has every op of the library as a function on plain typed arrays: to play with, to teach with, to test
against. Each call records the op's kernels, runs them once on the device and reads the results back; that is slow on
purpose, and models do not work that way.

\`\`\`js
import { openGpu } from 'couplet';
import { softmax } from 'couplet/ops';

const gpu = await openGpu();
const x = { data: Float32Array.of(1, 2, 3, 3, 2, 1), shape: [2, 3] };
const dy = { data: Float32Array.of(1, 0, 0, 0, 0, 1), shape: [2, 3] };

const { outputs, gradients } = await softmax(gpu, { x }, {}, { y: dy });
outputs.y.data; // Float32Array of 6, outputs.y.shape is [2, 3]
gradients.x.data; // the gradient of Σ y · dy
gpu.dispose();
\`\`\`

All have one signature: \`op(gpu, inputs, options?, upstream?)\`.

- \`inputs\`: tensors by name, each \`{ data, shape }\` in C order (the last dimension is contiguous). Numbers are a
  \`Float32Array\`, ids and lengths a \`Uint32Array\`.
- \`options\`: by name; all have defaults.
- \`upstream\`: gradients of outputs, each of its output's shape. Outputs that are left out count as zero. With it the
  result has \`gradients\`: those of every floating-point input that was given.
- A shape that does not fit is a \`ShapeError\` which names the tensor and what it should be. \`...\` stands for any
  leading dimensions, the same ones in every tensor of the op; \`DH\` is \`D\` times \`H\`.
- Sequences are time-major, weights are laid out as PyTorch's. Two runs give the same bits on the same adapter.

This page is made by \`node scripts/generate-ops-docs.mjs\` from \`op.description\`, which says the same as data.
`;

export function renderOpsDocs(given: readonly OpDescription[]): string {
  const descriptions = given.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const names = descriptions.map(({ name }) => `[${name}](#${name.toLowerCase()})`).join(' · ');
  return `${introduction}\n${names}\n${descriptions.map(renderOp).join('')}`;
}

function renderOp({ name, doc, inputs, outputs, options }: OpDescription): string {
  const rows = [
    ...Object.entries(inputs).map(([input, description]) => inputRow(input, description)),
    ...Object.entries(outputs).map(([output, description]) => outputRow(output, description)),
    ...Object.entries(options).map(([option, words]) => row('option', option, '', words)),
  ];
  return `\n## ${name}\n\n${sentence(doc)}\n\n| | name | shape | |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}

function inputRow(name: string, { shape, dtype = 'f32', optional, doc = '' }: InputDescription): string {
  return row(optional ? 'input, optional' : 'input', name, shapeText(shape), notes(dtype, doc));
}

function outputRow(name: string, { shape, dtype = 'f32', doc = '' }: OutputDescription): string {
  return row('output', name, shapeText(shape), notes(dtype, doc));
}

function notes(dtype: 'f32' | 'u32', doc: string): string {
  return [dtype === 'u32' ? 'u32' : '', doc].filter((note) => note !== '').join('; ');
}

function row(kind: string, name: string, shape: string, words: string): string {
  return `| ${kind} | \`${name}\` | ${shape && `\`${shape}\``} | ${words.replaceAll('|', '\\|')} |`;
}

function sentence(words: string): string {
  return /[.)]$/.test(words) ? words : `${words}.`;
}
