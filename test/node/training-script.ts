/**
 * A training that does nothing but log and write checkpoints, as fast as it can, until it is killed. Every file's
 * bytes follow from its step, and `expectedFiles` says how, so that any mixture would show.
 */
import { RunFolder } from '../../src/node/run-folder.ts';

export function expectedFiles(step: number): Map<string, Uint8Array> {
  const names = ['model.safetensors', 'optimizer.safetensors', 'state.json'];
  return new Map(names.map((name, file) => [name, new Uint8Array(300_000).fill((step * 3 + file) % 251)]));
}

/** Falls and rises, so that every now and then a checkpoint is the best. */
export const scoreOf = (step: number) => 100 / (1 + step) + (step % 4);

async function train(path: string): Promise<void> {
  const exists = await RunFolder.open(path).then(
    () => true,
    () => false,
  );
  const run = exists
    ? await RunFolder.resume(path)
    : await RunFolder.create(path, { config: 'name: x\n', sourceVocabulary: 'a\n', targetVocabulary: 'b\n' });
  const start = (await run.steps()).length === 0 ? 0 : (await run.loadCheckpoint('latest')).step;
  await run.rewindTo(start);
  for (let step = start + 1; ; step++) {
    await run.appendLog({ step, score: scoreOf(step) });
    await run.writeCheckpoint(step, expectedFiles(step), {
      score: scoreOf(step),
      keep: { best: 2, last: 2 },
    });
    process.stdout.write(`${step}\n`);
  }
}

const [, , path] = process.argv;
if (path !== undefined && process.env.COUPLET_TRAIN_UNTIL_KILLED) await train(path);
