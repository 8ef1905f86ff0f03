/**
 * A training run at one moment as named byte arrays: weights, the optimiser's moments and the trainer's place. From
 * them training goes on bit-equal to never having stopped.
 */

import { decodeText } from '../data/text.ts';
import { CheckpointError } from '../errors.ts';
import { readSafetensors, toFloat32 } from '../train/safetensors.ts';
import type { Trainer, TrainerState } from '../train/trainer.ts';
import type { Moment } from '../train/update-plan.ts';
import type { Model } from './model.ts';
import { type ModelFiles, modelFileNames, packTensors, requireFile, unpackTensors } from './model-files.ts';

export const checkpointFileNames = {
  optimizer: 'optimizer.safetensors',
  state: 'state.json',
  /** Of a language model in the middle of a stream: what the next chunk starts from. */
  carried: 'carried.safetensors',
} as const;

interface StoredState extends TrainerState {
  readonly optimizer: string;
  /** What the next report will count besides its own updates. */
  readonly sums: readonly number[];
  /** Of mixed precision: see `optim/loss-scale.ts`. */
  readonly lossScale?: readonly number[];
}

/** Waits for the steps in flight. */
export async function saveCheckpoint(model: Model, trainer: Trainer): Promise<ModelFiles> {
  const { optimizer, moments } = await trainer.engine.readOptimizer();
  const lossScale = await trainer.engine.readLossScale();
  const sums = await trainer.engine.readSums();
  const state: StoredState = { optimizer, ...trainer.state, sums, ...(lossScale && { lossScale }) };
  const named = new Map<string, Float32Array>();
  for (const [moment, values] of moments) {
    for (const [name, data] of values) named.set(`${moment}.${name}`, data);
  }
  const shapes = momentShapes(model, [...moments.keys()]);
  const files: ModelFiles = new Map([
    [modelFileNames.weights, await model.saveWeights()],
    [checkpointFileNames.optimizer, packTensors(named, (name) => shapes.get(name)!)],
    [checkpointFileNames.state, new TextEncoder().encode(`${JSON.stringify(state, null, 2)}\n`)],
  ]);
  const carried = await trainer.engine.readCarried();
  if (carried) {
    files.set(
      checkpointFileNames.carried,
      packTensors(new Map([[carriedName, carried]]), () => [carried.length]),
    );
  }
  return files;
}

const carriedName = 'states';

export interface RestoreOptions {
  /** Leave the moments at zero and count updates from none. */
  readonly resetOptimizer?: boolean;
  /** Leave the learning rate's schedule at its start. */
  readonly resetScheduler?: boolean;
  /** Take over weights (and what is not reset), but start the epochs anew: `load_model`. */
  readonly startOver?: boolean;
}

/** Throws CheckpointError naming what does not fit; model and trainer are then as they were. */
export function restoreCheckpoint(
  model: Model,
  trainer: Trainer,
  files: ReadonlyMap<string, Uint8Array>,
  where: string,
  options: RestoreOptions = {},
): void {
  const { resetOptimizer = false, resetScheduler = false, startOver = false } = options;
  const file = (name: string) => requireFile(files, name, where);
  const state = parseState(decodeText(file(checkpointFileNames.state), checkpointFileNames.state), where);
  const moments = resetOptimizer
    ? undefined
    : readMoments(model, trainer, state.optimizer, file(checkpointFileNames.optimizer), where);
  model.loadWeights(file(modelFileNames.weights), `${where}: ${modelFileNames.weights}`);
  if (moments) trainer.engine.writeMoments(moments);
  if (!startOver) {
    trainer.restore(state);
    trainer.engine.writeSums(state.sums);
    trainer.engine.writeLossScale(state.lossScale);
    const carried = files.get(checkpointFileNames.carried);
    if (carried) {
      const path = `${where}: ${checkpointFileNames.carried}`;
      const { tensors } = readSafetensors(carried, path);
      const states = tensors.get(carriedName);
      if (!states) throw new CheckpointError(`${path} lacks '${carriedName}'`);
      trainer.engine.writeCarried(toFloat32(states, carriedName));
    }
    return;
  }
  if (!resetOptimizer) trainer.engine.continueFrom(state.engine);
  if (!resetScheduler) trainer.restoreSchedule(state.schedule);
}

function readMoments(
  model: Model,
  { engine }: Trainer,
  optimizer: string,
  bytes: Uint8Array,
  where: string,
): Map<string, Moment> {
  if (optimizer !== engine.optimizer) {
    throw new CheckpointError(
      `${where} was trained with ${optimizer}, not ${engine.optimizer}: set training.optimizer to ` +
        `${optimizer}, or training.reset_optimizer to true`,
    );
  }
  const path = `${where}: ${checkpointFileNames.optimizer}`;
  const named = unpackTensors(bytes, momentShapes(model, engine.momentNames), path);
  const ofMoment = (moment: string): Moment =>
    new Map([...model.shapes().keys()].map((name) => [name, named.get(`${moment}.${name}`)!]));
  return new Map(engine.momentNames.map((moment) => [moment, ofMoment(moment)]));
}

function momentShapes(model: Model, moments: readonly string[]) {
  const shapes = [...model.shapes()];
  return new Map(moments.flatMap((moment) => shapes.map(([name, shape]) => [`${moment}.${name}`, shape])));
}

function parseState(text: string, where: string): StoredState {
  try {
    const state = JSON.parse(text) as StoredState;
    const isWhole = Number.isInteger(state.engine.updates) && Number.isInteger(state.epoch);
    if (isWhole && Array.isArray(state.sums)) return state;
  } catch {
    // Told below.
  }
  throw new CheckpointError(`${where}: ${checkpointFileNames.state} is damaged`);
}
