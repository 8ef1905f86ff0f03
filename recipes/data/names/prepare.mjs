// Makes train.tsv, dev.tsv and test.tsv (name, tab, nationality) from the names of the PyTorch tutorials:
//   node recipes/data/names/prepare.mjs PRACTICAL-PYTORCH/data/names
// A name that is in several files is of several nationalities. It is one example of each, and all of them go to the same
// part, so that no name of dev or test was seen in training. Within a nationality a tenth goes to dev and a tenth to test,
// in the order of the names' SHA-256: no other chance is in it.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const folder = process.argv[2];
if (!folder) throw new Error('usage: node recipes/data/names/prepare.mjs FOLDER-OF-NATIONALITY.txt');

/** @type {Map<string, Set<string>>} name → its nationalities */
const nationalitiesOf = new Map();
const sizes = new Map();
let lines = 0;
for (const file of readdirSync(folder).sort()) {
  const nationality = basename(file, '.txt');
  const names = readFileSync(join(folder, file), 'utf8')
    .split('\n')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  lines += names.length;
  sizes.set(nationality, new Set(names).size);
  for (const name of names) {
    if (!nationalitiesOf.has(name)) nationalitiesOf.set(name, new Set());
    nationalitiesOf.get(name).add(nationality);
  }
}

// A name of several nationalities is dealt out with the rarest of them.
const strata = new Map([...sizes.keys()].map((nationality) => [nationality, []]));
for (const [name, nationalities] of nationalitiesOf) {
  const [rarest] = [...nationalities].sort((a, b) => sizes.get(a) - sizes.get(b));
  strata.get(rarest).push(name);
}

const digest = (name) => createHash('sha256').update(`1 ${name}`).digest('hex');
const parts = { train: [], dev: [], test: [] };
for (const names of strata.values()) {
  const order = names.map((name) => [digest(name), name]).sort(([a], [b]) => (a < b ? -1 : 1));
  const tenth = Math.round(names.length / 10);
  for (const [index, [, name]] of order.entries()) {
    const part = index < tenth ? 'test' : index < 2 * tenth ? 'dev' : 'train';
    for (const nationality of [...nationalitiesOf.get(name)].sort()) {
      parts[part].push(`${name}\t${nationality}\n`);
    }
  }
}

for (const [part, examples] of Object.entries(parts)) {
  writeFileSync(join(import.meta.dirname, `${part}.tsv`), examples.sort().join(''));
}
const several = [...nationalitiesOf.values()].filter((nationalities) => nationalities.size > 1);
console.log(
  `${lines} lines, ${nationalitiesOf.size} names (${several.length} of several nationalities); ` +
    Object.entries(parts)
      .map(([part, examples]) => `${part} ${examples.length}`)
      .join(', '),
);
