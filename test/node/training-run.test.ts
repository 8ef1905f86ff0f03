/** What a run that cannot begin leaves behind: nothing on the device, and a folder that another may take. */
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { dryGpu } from '../../src/gpu/dry-gpu.ts';
import { tokenizeTraining } from '../../src/models/prepare-data.ts';
import type { TrainingData } from '../../src/node/load-data.ts';
import { RunFolder } from '../../src/node/run-folder.ts';
import { TrainingRun } from '../../src/node/training-run.ts';
import { testGpu } from '../setup/gpu.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';
import { toyConfig, toyTraining } from '../setup/toy.ts';

const config = toyConfig({ training: { epochs: 1 } });
const data: TrainingData = {
  text: toyTraining,
  corpus: tokenizeTraining(toyTraining, config),
  dev: undefined,
  test: undefined,
};

afterEach(() => vi.restoreAllMocks());

test('a folder that cannot be written leaves nothing on the device, and its lock free', async () => {
  const { report, device } = await testGpu();
  const { gpu, count } = dryGpu({ report, limits: device.limits });
  const path = join(await scratchFolder(), 'run');
  const create = vi.spyOn(RunFolder, 'create').mockRejectedValueOnce(new Error('no space left'));
  await expect(TrainingRun.create(gpu, config, data, path)).rejects.toThrow('no space left');
  expect(create).toHaveBeenCalledOnce();
  expect(count.buffers).toBeGreaterThan(0);
  expect(count.bytes).toBe(0);
  const run = await TrainingRun.create(gpu, config, data, path);
  expect(count.bytes).toBeGreaterThan(0);
  await run.dispose();
});
