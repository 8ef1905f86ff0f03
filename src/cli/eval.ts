/** `couplet eval`: a trained model's figures on held-out pairs. */
import type { ParallelText } from '../data/parallel.ts';
import { DataError, UsageError } from '../errors.ts';
import { modelFromFiles } from '../models/kinds.ts';
import { readModelDescription } from '../models/model-files.ts';
import { loadOtherPairs, loadSides, loadTestPairs } from '../node/load-data.ts';
import { readRun } from '../node/load-run.ts';
import type { DataConfig } from '../train/config/types.ts';
import { adapterOption, command, fastOption } from './arguments.ts';
import { classScores } from './class-text.ts';
import { evaluationText } from './eval-text.ts';
import { openDevice, say } from './session.ts';

export const evalCommand = command({
  name: 'eval',
  argument: { name: 'RUN', help: 'a run folder' },
  summary: 'Score a trained model on held-out pairs',
  details: `Without --data, or --src and --ref, the pairs are the run's own data.test. Loss, perplexity, bits per character and, of
models that write text, token accuracy are of the given references (teacher forcing); the other figures, which
testing.eval_metrics of the run names, compare what the model puts out with them: accuracy and macro-F1 of classes,
accuracy of tags, precision, recall and F1 of entities, exact matches, WER, PER, BLEU. Pairs with an empty side are
left out.`,
  options: {
    data: { value: 'FILE', help: 'Pairs as in data.test: a TSV file, or the prefix of parallel files' },
    src: { value: 'FILE', help: 'Source lines' },
    ref: { value: 'FILE', help: 'Reference lines, one for each source line' },
    'by-length': { help: 'Also by the length of the source' },
    'per-class': { help: 'Also each class with the confusion matrix, or each tag, or each type of entity' },
    json: { help: 'Print JSON' },
    adapter: adapterOption,
    fast: fastOption,
  },
  examples: [
    { line: 'eval runs/quickstart' },
    { line: 'eval runs/quickstart --data dev.tsv' },
    { line: 'eval runs/quickstart --by-length' },
    { line: 'eval runs/names --per-class' },
    { line: 'eval runs/quickstart --src test.src --ref test.trg --json' },
  ],
  async run(path, options) {
    if ((options.src === undefined) !== (options.ref === undefined)) {
      throw new UsageError('eval needs both --src and --ref');
    }
    if (options.src !== undefined && options.data !== undefined) {
      throw new UsageError('eval takes --data, or --src and --ref, not both');
    }
    const { files, warnings } = await readRun(path);
    for (const warning of warnings) say(`warning: ${warning}`);
    const { config } = readModelDescription(files, path);
    const { type } = config.model;
    if (options['per-class'] && type !== 'classifier' && type !== 'tagger') {
      throw new UsageError(`--per-class is for classifiers and taggers; this is a ${type}`);
    }
    const text = await readPairs(config.data, options);
    using gpu = await openDevice(options.adapter, options.fast);
    const model = modelFromFiles(gpu, files, path);
    try {
      const all = options['per-class'] ? Array.from(text.target.keys()) : [];
      const byLength = options['by-length'];
      const { samples, ...evaluation } = await model.evaluate(text, { samples: all, byLength });
      if ((byLength && !evaluation.byLength) || (options['per-class'] && samples.length === 0)) {
        const option = byLength && !evaluation.byLength ? '--by-length' : '--per-class';
        throw new UsageError(
          `${option}: no metric of this run (testing.eval_metrics) compares what the model puts out`,
        );
      }
      const classes = options['per-class'] ? classScores(samples, type, config.data.ignored_tag) : undefined;
      process.stdout.write(
        options.json
          ? `${JSON.stringify({ data: text.name, ...evaluation, ...classes?.json }, null, 2)}\n`
          : evaluationText(text.name, { samples, ...evaluation }, type) + (classes?.text ?? ''),
      );
    } finally {
      model.dispose();
    }
  },
});

interface Sources {
  readonly data: string | undefined;
  readonly src: string | undefined;
  readonly ref: string | undefined;
}

async function readPairs(config: DataConfig, { data, src, ref }: Sources): Promise<ParallelText> {
  if (src !== undefined && ref !== undefined) return loadSides(src, ref, config);
  if (data !== undefined) return loadOtherPairs(data, config);
  const other = 'give --data FILE, or --src FILE and --ref FILE';
  const own = await loadTestPairs(config).catch((error: unknown) => {
    if (!(error instanceof DataError)) throw error;
    throw new DataError(`${error.message} If it moved, ${other}`, { cause: error });
  });
  if (!own) throw new UsageError(`this run names no test data: ${other}`);
  return own;
}
