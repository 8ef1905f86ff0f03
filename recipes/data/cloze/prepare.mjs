// Makes train.tsv.gz, dev.tsv and test.tsv from the English side of small-parallel-enja:
//   node recipes/data/cloze/prepare.mjs
// In each sentence one word is `<blank>`; the tags are `_` but there, where the tag is the word. Blanks are among the 1,000
// most frequent words of the training sentences (punctuation is no word), each such word of a sentence as likely as another.
// The sentences that differ are put in the order of their SHA-256: 2,000 for test, 1,000 for dev, 20,000 for training.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

const sizes = { 'test.tsv': 2_000, 'dev.tsv': 1_000, 'train.tsv.gz': 20_000 };
const vocabularySize = 1_000;

const digest = (sentence, use) => createHash('sha256').update(`${use} ${sentence}`).digest();
const source = join(import.meta.dirname, '../small-parallel-enja/train.en.gz');
const sentences = [...new Set(gunzipSync(readFileSync(source)).toString('utf8').trimEnd().split('\n'))]
  .map((sentence) => ({ sentence, key: digest(sentence, 'split').toString('hex') }))
  .sort((a, b) => (a.key < b.key ? -1 : 1))
  .map(({ sentence }) => sentence.trim().split(/\s+/));

const parts = {};
let start = 0;
for (const [name, size] of Object.entries(sizes)) {
  parts[name] = sentences.slice(start, start + size);
  start += size;
}

const counts = new Map();
for (const word of parts['train.tsv.gz'].flat()) {
  if (/\p{L}/u.test(word)) counts.set(word, (counts.get(word) ?? 0) + 1);
}
const byFrequency = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
const vocabulary = new Set(byFrequency.slice(0, vocabularySize).map(([word]) => word));

for (const [name, part] of Object.entries(parts)) {
  const lines = [];
  for (const words of part) {
    const places = words.flatMap((word, place) => (vocabulary.has(word) ? [place] : []));
    if (places.length === 0) continue;
    const blank = places[digest(words.join(' '), 'blank').readUInt32BE() % places.length];
    const seen = words.map((word, place) => (place === blank ? '<blank>' : word));
    const tags = words.map((word, place) => (place === blank ? word : '_'));
    lines.push(`${seen.join(' ')}\t${tags.join(' ')}\n`);
  }
  const text = lines.join('');
  writeFileSync(
    join(import.meta.dirname, name),
    name.endsWith('.gz') ? gzipSync(Buffer.from(text), { level: 9 }) : text,
  );
  console.log(`${name}: ${lines.length} sentences`);
}
console.log(
  `${sentences.length} different sentences; the vocabulary is ${((100 * byFrequency.slice(0, vocabularySize).reduce((sum, [, n]) => sum + n, 0)) / [...counts.values()].reduce((sum, n) => sum + n, 0)).toFixed(1)} % of the words`,
);
