/** docs/configuration.md, made from the same data that checks a configuration. */
import type { AnyKey, AnySection, Section } from '../../nn/config/spec.ts';
import { asAnySection, isDerived, isSection } from '../../nn/config/spec.ts';
import { type ModelConfig, modelSections, modelTypes } from '../../nn/model-config.ts';
import { foreignNames } from './foreign-names.ts';
import { resumableKeys } from './resumable.ts';
import { rootSection } from './root.ts';

const INTRODUCTION = `# Configuration

<!-- Made by scripts/generate-config-docs.mjs from the keys in src/train/config/ and src/nn/models/. -->

A configuration is a YAML file with the sections of [Joey NMT](https://joeynmt.readthedocs.io): \`data\`, \`model\`,
\`training\` and \`testing\`, and with Joey NMT's names wherever it has one; \`model.type\` says which model it is. Only \`data.train\` must be given:

\`\`\`yaml
name: hungarian
data:
  train: data/hun_train.tsv
  dev: data/hun_dev.tsv
  src: { level: char }
model:
  encoder: { hidden_size: 64, embeddings: { embedding_dim: 64 } }
training:
  epochs: 20
\`\`\`

Any key can be set from the command line: \`couplet train hungarian.yaml --set training.epochs=5 --set
training.adam_betas='[0.9, 0.98]'\`. Paths are relative to the folder of the file. An unknown key is an error, and
so is a value out of range; the run folder's \`config.yaml\` holds every key with the value that was used.
`;

export function renderConfigurationDocs(): string {
  const root = asAnySection(rootSection('NAME'));
  const otherModels = modelTypes.filter((type) => type !== 'seq2seq');
  const name = root.keys.name as AnyKey;
  const parts = [
    INTRODUCTION,
    '## Top level\n',
    table([['name', { ...name, default: undefined }]], 'the file name'),
  ];
  for (const [key, entry] of Object.entries(root.keys)) {
    if (!isSection(entry)) continue;
    parts.push(...sectionParts(entry, [key], key === 'model' ? ' (`type: seq2seq`)' : ''));
    if (key !== 'model') continue;
    for (const type of otherModels) {
      parts.push(
        ...sectionParts(
          asAnySection<ModelConfig>(modelSections[type] as Section<ModelConfig>),
          [key],
          ` (\`type: ${type}\`)`,
        ),
      );
    }
  }
  parts.push(resumePart(), foreignTables());
  return `${parts.join('\n').trimEnd()}\n`;
}

function sectionParts(section: AnySection, path: readonly string[], note = ''): string[] {
  const entries = Object.entries(section.keys);
  const keys = entries.filter((entry): entry is [string, AnyKey] => !isSection(entry[1]));
  const heading = `${'#'.repeat(Math.min(path.length + 1, 4))} \`${path.join('.')}\`${note}\n`;
  const parts = [heading, `${section.doc}\n`];
  if (keys.length > 0) parts.push(table(keys));
  for (const [key, entry] of entries)
    if (isSection(entry)) parts.push(...sectionParts(entry, [...path, key], note));
  return parts;
}

function table(keys: readonly (readonly [string, AnyKey])[], defaultWords?: string): string {
  const rows = keys.map(([key, spec]) =>
    row(`\`${key}\``, defaultWords ?? defaultText(spec), spec.allowed, spec.doc),
  );
  return [row('Key', 'Default', 'May be', 'Meaning'), '|---|---|---|---|', ...rows, ''].join('\n');
}

function defaultText(spec: AnyKey): string {
  if (!('default' in spec)) return '**required**';
  if (isDerived(spec.default)) return spec.default.words;
  return `\`${JSON.stringify(spec.default)}\``.replaceAll('"', '').replaceAll(',', ', ');
}

function resumePart(): string {
  return `## Going on with a run

\`couplet train … --resume\` ends with the same bits as a run that never stopped. So most keys stay as they were, and a
changed one is an error; for other values start a new run with \`training.load_model\`. These may be set anew, in the
configuration or with \`--set\`, and the run folder's \`config.yaml\` then says so (what decides the learning rate, as
validations do with \`scheduling: plateau\`, is better left alone):

${resumableKeys.map((key) => `\`${key}\``).join(', ')} (with all keys of a section).
`;
}

function foreignTables(): string {
  const parts = ['## Coming from OpenNMT or Joey NMT\n'];
  parts.push(
    "OpenNMT's flat names, and those of Joey NMT's names that differ here, are recognised and answered with these:\n",
  );
  parts.push(row('Name', 'From', 'Here'), '|---|---|---|');
  for (const [name, { from, here, note }] of foreignNames) {
    const keys = here.length === 0 ? 'nothing' : here.map((key) => `\`${key}\``).join(', ');
    parts.push(row(`\`${name}\``, from, note === undefined ? keys : `${keys}: ${note}`));
  }
  return parts.join('\n');
}

function row(...cells: string[]): string {
  return `| ${cells.map(escaped).join(' | ')} |`;
}

/** Between backticks Markdown shows `<` as it is; elsewhere it would start a tag. */
function escaped(cell: string): string {
  const parts = cell.replaceAll('|', '\\|').split('`');
  return parts.map((part, i) => (i % 2 === 0 ? part.replaceAll('<', '&lt;') : part)).join('`');
}
