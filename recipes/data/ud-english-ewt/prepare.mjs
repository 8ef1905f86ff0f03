// Makes train.tsv.gz, dev.tsv and test.tsv (words, tab, universal part-of-speech tags) from the treebank's CoNLL-U files:
//   node recipes/data/ud-english-ewt/prepare.mjs UD_ENGLISH-EWT
// Words are column FORM, tags column UPOS. Ranges of multi-word tokens (1-2) and empty nodes (1.1) are no words.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const folder = process.argv[2];
if (!folder) throw new Error('usage: node recipes/data/ud-english-ewt/prepare.mjs FOLDER-OF-CONLLU');

for (const part of ['train', 'dev', 'test']) {
  const lines = [];
  let count = 0;
  for (const sentence of readFileSync(join(folder, `en_ewt-ud-${part}.conllu`), 'utf8').split('\n\n')) {
    const words = sentence
      .split('\n')
      .map((line) => line.split('\t'))
      .filter(([id]) => /^\d+$/.test(id));
    if (words.length === 0) continue;
    const forms = words.map(([, form]) => form);
    const spaced = forms.find((form) => /\s/.test(form));
    if (spaced !== undefined) throw new Error(`${part}: the word '${spaced}' has a space`);
    lines.push(`${forms.join(' ')}\t${words.map(([, , , upos]) => upos).join(' ')}\n`);
    count += words.length;
  }
  const name = part === 'train' ? 'train.tsv.gz' : `${part}.tsv`;
  const text = lines.join('');
  writeFileSync(
    join(import.meta.dirname, name),
    part === 'train' ? gzipSync(Buffer.from(text), { level: 9 }) : text,
  );
  console.log(`${name}: ${lines.length} sentences, ${count} words`);
}
