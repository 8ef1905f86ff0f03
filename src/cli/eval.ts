/** `couplet eval`: a trained model's figures on held-out pairs. */
import { UsageError } from '../errors.ts';
import { loadPairs } from '../node/load-data.ts';
import { loadRun } from '../node/load-run.ts';
import { readParallel } from '../node/text-files.ts';
import type { Config } from '../train/config/types.ts';
import { printEvaluation } from './eval-text.ts';
import { type AdapterOption, openDevice, say } from './session.ts';

export interface EvalOptions extends AdapterOption {
  readonly src?: unknown;
  readonly ref?: unknown;
  readonly json?: boolean;
}

export async function runEval(path: string, options: EvalOptions): Promise<void> {
  if ((options.src === undefined) !== (options.ref === undefined)) {
    throw new UsageError('eval needs both --src and --ref, or neither to score the test data of the run');
  }
  using gpu = await openDevice(options);
  const { model, warnings } = await loadRun(gpu, String(path));
  try {
    for (const warning of warnings) say(`warning: ${warning}`);
    const text =
      options.src === undefined
        ? await loadTest(model.config)
        : await readParallel(String(options.src), String(options.ref));
    const evaluation = await model.evaluate(text);
    if (options.json)
      process.stdout.write(`${JSON.stringify({ data: text.name, ...evaluation }, null, 2)}\n`);
    else printEvaluation(text.name, evaluation);
  } finally {
    await model.dispose();
  }
}

function loadTest({ data }: Config) {
  if (data.test === null) {
    throw new UsageError('this run names no test data: give --src FILE and --ref FILE');
  }
  return loadPairs(data.test, data);
}
