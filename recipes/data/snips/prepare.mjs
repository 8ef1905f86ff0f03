// Makes train.tsv.gz, dev.tsv and test.tsv (words, tab, slot tags, tab, intent) from the files of the slot-gated model:
//   node recipes/data/snips/prepare.mjs SLOTGATED-SLU/data/snips
// The split is theirs (their `valid` is dev here), and so is the text but for white space.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const folder = process.argv[2];
if (!folder) throw new Error('usage: node recipes/data/snips/prepare.mjs FOLDER-OF-PARTS');

for (const [part, name] of [
  ['train', 'train.tsv.gz'],
  ['valid', 'dev.tsv'],
  ['test', 'test.tsv'],
]) {
  const read = (file) =>
    readFileSync(join(folder, part, file), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.trim().split(/\s+/));
  const [words, tags, intents] = ['seq.in', 'seq.out', 'label'].map(read);
  const lines = words.map((sentence, index) => {
    const sides = [sentence, tags[index], intents[index]];
    if (sides[0].length !== sides[1].length || sides[2].length !== 1) {
      throw new Error(`${part}, line ${index + 1}: words, tags and intent do not belong together`);
    }
    return `${sides.map((side) => side.join(' ')).join('\t')}\n`;
  });
  const text = lines.join('');
  writeFileSync(
    join(import.meta.dirname, name),
    part === 'train' ? gzipSync(Buffer.from(text), { level: 9 }) : text,
  );
  console.log(`${name}: ${lines.length} sentences, ${words.flat().length} words`);
}
