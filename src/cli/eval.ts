/** `couplet eval`: a trained model's figures on held-out pairs. */
import type { ParallelText } from '../data/parallel.ts';
import { DataError, UsageError } from '../errors.ts';
import { modelFromFiles } from '../models/kinds.ts';
import { readModelDescription } from '../models/model-files.ts';
import { loadOtherPairs, loadTestPairs } from '../node/load-data.ts';
import { readRun } from '../node/load-run.ts';
import { readParallel } from '../node/text-files.ts';
import type { DataConfig } from '../train/config/types.ts';
import { adapterOption, command } from './arguments.ts';
import { evaluationText } from './eval-text.ts';
import { openDevice, say } from './session.ts';

export const evalCommand = command({
  name: 'eval',
  argument: { name: 'RUN', help: 'a run folder' },
  summary: 'Score a trained model on held-out pairs',
  details: `Without --data, or --src and --ref, the pairs are the run's own data.test. Loss, perplexity and token accuracy are
of the given references (teacher forcing); the other figures, which testing.eval_metrics of the run names, compare what
the model puts out with them. Pairs with an empty side are left out.`,
  options: {
    data: { value: 'FILE', help: 'Pairs as in data.test: a TSV file, or the prefix of parallel files' },
    src: { value: 'FILE', help: 'Source lines' },
    ref: { value: 'FILE', help: 'Reference lines, one for each source line' },
    json: { help: 'Print JSON' },
    adapter: adapterOption,
  },
  examples: [
    { line: 'eval runs/quickstart' },
    { line: 'eval runs/quickstart --data dev.tsv' },
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
    const text = await readPairs(readModelDescription(files, path).config.data, options);
    using gpu = await openDevice(options.adapter);
    const model = modelFromFiles(gpu, files, path);
    try {
      const { samples, ...evaluation } = await model.evaluate(text);
      process.stdout.write(
        options.json
          ? `${JSON.stringify({ data: text.name, ...evaluation }, null, 2)}\n`
          : evaluationText(text.name, { samples, ...evaluation }),
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
  if (src !== undefined && ref !== undefined) return readParallel(src, ref);
  if (data !== undefined) return loadOtherPairs(data, config);
  const other = 'give --data FILE, or --src FILE and --ref FILE';
  const own = await loadTestPairs(config).catch((error: unknown) => {
    if (!(error instanceof DataError)) throw error;
    throw new DataError(`${error.message} If it moved, ${other}`, { cause: error });
  });
  if (!own) throw new UsageError(`this run names no test data: ${other}`);
  return own;
}
