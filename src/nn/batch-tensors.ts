/** The tensors that batches are written into, made once for each shape. */
import { longestWord, type SourceBatch } from '../data/batches.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { persistentTensor, writeTensor } from '../scheduler/persistent.ts';
import type { BatchTensors, Network, SourceTensors } from './network.ts';

export interface SourceShape {
  readonly B: number;
  readonly S: number;
  /** Characters of the longest token, where the model reads them. */
  readonly C?: number;
}

export interface BatchShape extends SourceShape {
  readonly T: number;
}

/** As messages and plans' names have it. */
export function shapeName({ B, S, T, C }: SourceShape & Partial<BatchShape>): string {
  return `B${B} S${S}${T === undefined ? '' : ` T${T}`}${C === undefined ? '' : ` C${C}`}`;
}

type Reader = Pick<Network, 'frameSize' | 'readsCharacters'>;

/** The caller destroys them. */
export function createSourceTensors(gpu: Gpu, network: Reader, shape: SourceShape): SourceTensors {
  const { B, S, C = longestWord } = shape;
  const { frameSize } = network;
  return {
    source:
      frameSize === undefined
        ? persistentTensor(gpu, 'source', [S, B], 'u32')
        : persistentTensor(gpu, 'source', [S, B, frameSize]),
    sourceLengths: persistentTensor(gpu, 'source lengths', [B], 'u32'),
    ...(network.readsCharacters && {
      characters: persistentTensor(gpu, 'characters', [C, S * B], 'u32'),
      characterLengths: persistentTensor(gpu, 'character lengths', [S * B], 'u32'),
    }),
  };
}

/** The caller destroys them. */
export function createBatchTensors(gpu: Gpu, network: Reader, shape: BatchShape): BatchTensors {
  const { B, T } = shape;
  return {
    ...createSourceTensors(gpu, network, shape),
    targetInput: persistentTensor(gpu, 'target input', [T, B], 'u32'),
    targetOutput: persistentTensor(gpu, 'target output', [T, B], 'u32'),
  };
}

export function writeSources(
  gpu: Gpu,
  tensors: SourceTensors,
  batch: Pick<SourceBatch, 'source' | 'sourceLengths' | 'characters' | 'characterLengths'>,
): void {
  writeTensor(gpu, tensors.source, batch.source);
  writeTensor(gpu, tensors.sourceLengths, batch.sourceLengths);
  if (!tensors.characters || !tensors.characterLengths) return;
  writeTensor(gpu, tensors.characters, batch.characters!);
  writeTensor(gpu, tensors.characterLengths, batch.characterLengths!);
}
