import { describe, expect, test } from 'vitest';
import {
  ConfigError,
  DisposedError,
  type FitReport,
  load,
  type PartialConfig,
  Seq2Seq,
  UsageError,
} from '../../src/node.ts';
import { testGpu } from '../setup/gpu.ts';

const words = ['abc', 'bca', 'ca', 'abab', 'c', 'bb', 'cab', 'acb', 'ba', 'cc', 'aab', 'bac'];
const pairs = words.map((source) => ({ source, target: [...source].reverse().join(' ') }));
const dev = pairs.slice(0, 4);
const config: PartialConfig = {
  data: { src: { level: 'char' } },
  model: { encoder: { embeddings: { embedding_dim: 8, dropout: 0.1 }, hidden_size: 8 } },
  training: { batch_size: 4, epochs: 4, random_seed: 7, logging_freq: 2 },
};

async function newModel(changes: PartialConfig['training'] = {}): Promise<Seq2Seq> {
  return Seq2Seq.fromPairs(await testGpu(), pairs, {
    ...config,
    training: { ...config.training, ...changes },
  });
}

const losses = (reports: readonly FitReport[]) => reports.map(({ update, loss }) => [update, loss] as const);

async function collect(reports: AsyncIterable<FitReport>): Promise<FitReport[]> {
  const list: FitReport[] = [];
  for await (const report of reports) list.push(report);
  return list;
}

describe('fit', () => {
  test('reports every logEvery updates and at the end of each epoch, and validates held-out pairs', async () => {
    using model = await newModel();
    const reports = await collect(model.fit(pairs, { dev, logEvery: 2 }));
    const seen = reports.map(({ kind, update }) => `${kind} ${update}`);
    expect(seen).toEqual([
      ...['progress 2', 'progress 3', 'validation 3', 'progress 4', 'progress 6', 'validation 6'],
      ...['progress 8', 'progress 9', 'validation 9', 'progress 10', 'progress 12', 'validation 12'],
    ]);
    const [first, last] = [reports[0]!, reports.at(-1)!];
    expect(last.loss).toBeLessThan(first.loss);
    expect(last.kind === 'validation' && last.samples.map(({ source }) => source)).toEqual([
      'abc',
      'bca',
      'ca',
    ]);
  });

  test('awaiting it trains to the end', async () => {
    using model = await newModel();
    const result = await model.fit(pairs, { dev });
    expect(result).toMatchObject({ reason: 'epochs', update: 12, epoch: 4 });
    expect(result.progress?.update).toBe(12);
    expect(result.validation?.update).toBe(12);
    // Nothing is left to do.
    expect(await model.fit(pairs)).toMatchObject({ reason: 'epochs', update: 12, progress: undefined });
  });

  test('leaving the loop keeps everything: going on is as if it had never stopped, bit for bit', async () => {
    using whole = await newModel();
    using parts = await newModel();
    await whole.fit(pairs);
    const fit = parts.fit(pairs, { logEvery: 1 });
    for await (const { update } of fit) if (update === 5) break;
    expect(await fit).toMatchObject({ reason: 'aborted', update: 5, epoch: 2 });
    await parts.fit(pairs, { updates: 2 });
    await parts.fit(pairs);
    expect(await parts.saveWeights()).toEqual(await whole.saveWeights());
  });

  test('an aborted signal ends it after an update', async () => {
    using model = await newModel();
    const controller = new AbortController();
    const reports: FitReport[] = [];
    const fit = model.fit(pairs, { logEvery: 2, signal: controller.signal });
    for await (const report of fit) {
      reports.push(report);
      if (report.update === 4) controller.abort();
    }
    expect(losses(reports).map(([update]) => update)).toEqual([2, 3, 4]);
    expect(await fit).toMatchObject({ reason: 'aborted', update: 4 });
    expect(await model.fit(pairs, { signal: AbortSignal.abort() })).toMatchObject({
      reason: 'aborted',
      update: 4,
    });
  });

  test('a validation that was due when the loop was left comes first when it goes on', async () => {
    using model = await newModel();
    for await (const { update } of model.fit(pairs, { dev })) if (update === 3) break;
    const reports = await collect(model.fit(pairs, { dev, epochs: 1 }));
    expect(reports[0]).toMatchObject({ kind: 'validation', update: 3 });
    expect(reports.at(-1)).toMatchObject({ kind: 'validation', update: 6 });
  });

  test('other pairs go on with the same optimiser', async () => {
    using model = await newModel();
    await model.fit(pairs, { updates: 2 });
    const reports = await collect(model.fit(pairs.slice(0, 4), { epochs: 2, logEvery: 1 }));
    expect(losses(reports).map(([update]) => update)).toEqual([3, 4]);
  });

  test('early stopping ends it, and patience begins anew', async () => {
    using model = await newModel({ learning_rate: 1e-9, early_stopping_patience: 1, epochs: 9 });
    const first = await model.fit(pairs, { dev });
    const again = await model.fit(pairs, { dev });
    expect(first.reason).toBe('early stopping');
    expect(again.update).toBeGreaterThan(first.update);
  });

  test('two at once, and wrong options, are refused', async () => {
    using model = await newModel();
    const running = model.fit(pairs, { logEvery: 1 })[Symbol.asyncIterator]();
    await running.next();
    await expect(model.fit(pairs)).rejects.toThrow(UsageError);
    await running.return();
    await model.fit(pairs, { updates: 1 });
    expect(() => model.fit(pairs, { logEvery: 0 })).toThrow(ConfigError);
    expect(() => model.fit(pairs, { updates: 1.5 })).toThrow(
      'updates must be a positive whole number, not 1.5',
    );
    const failing = model.fit([{ source: 'a' } as never]);
    await expect(failing).rejects.toThrow('the one with index 0 is not { source: string, target: string }');
    await expect(failing).rejects.toThrow('index 0');
    await model.fit(pairs, { updates: 1 });
  });
});

describe('models', () => {
  test('a configuration names every mistake', async () => {
    const gpu = await testGpu();
    const wrong = { model: { cel: 'lstm' }, training: { batch_size: 0 } } as PartialConfig;
    expect(() => Seq2Seq.fromPairs(gpu, pairs, wrong)).toThrow(/did you mean `model.cell`[\s\S]*batch_size/);
  });

  test('what is saved translates alike once it is loaded', async () => {
    const gpu = await testGpu();
    using model = await newModel();
    await model.fit(pairs, { updates: 6 });
    const files = await model.save();
    using again = await load(gpu, files);
    expect(await again.save()).toEqual(files);
    expect(await again.translate(words)).toEqual(await model.translate(words));
    files.delete('src_vocab.txt');
    await expect(load(gpu, files)).rejects.toThrow('src_vocab.txt');
  });

  test('is used while it trains, by several at once, as if each were alone', async () => {
    using model = await newModel();
    const lines = [words.slice(0, 4), words.slice(4, 8), words.slice(8)];
    const alone: string[][] = [];
    for (const part of lines) alone.push(await model.translate(part));
    expect(await Promise.all(lines.map((part) => model.translate(part)))).toEqual(alone);
    const [first, second] = await Promise.all([model.evaluate(dev), model.evaluate(pairs)]);
    expect([first, second]).toEqual([await model.evaluate(dev), await model.evaluate(pairs)]);

    using other = await newModel();
    await other.fit(pairs, { updates: 5 });
    await Promise.all([model.fit(pairs, { updates: 5 }), ...lines.map((part) => model.translate(part))]);
    expect(await model.saveWeights()).toEqual(await other.saveWeights());
  });

  test('a disposed model says so, and hurts no other on its device', async () => {
    const gpu = await testGpu();
    using other = await newModel();
    const model = await newModel();
    const fit = model.fit(pairs, { logEvery: 1 });
    for await (const _ of fit) break;
    const inFlight = [model.translate(words), model.evaluate(dev), model.fit(pairs)];
    model.dispose();
    model.dispose();
    for (const work of inFlight) await expect(work).rejects.toThrow(DisposedError);
    await expect(model.translate(words)).rejects.toThrow(DisposedError);
    await expect(model.save()).rejects.toThrow(DisposedError);
    await expect(model.fit(pairs)).rejects.toThrow(DisposedError);
    await gpu.device.queue.onSubmittedWorkDone();
    gpu.check();
    await other.fit(pairs, { updates: 2 });
  });
});
