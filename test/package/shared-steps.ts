/** What the page and Node both do with the packed library. */
import type * as Couplet from '../../src/index.ts';
import type * as Ops from '../../src/ops.ts';

type Library = Pick<typeof Couplet, 'openGpu' | 'Seq2Seq' | 'load'>;

const words = [
  'alma',
  'ember',
  'mező',
  'kapu',
  'erdő',
  'kő',
  'patak',
  'híd',
  'út',
  'magas',
  'szél',
  'eső',
  'felhő',
];
export const pairs = words.map((source) => ({ source, target: [...source].reverse().join(' ') }));

export interface TrainedModel {
  readonly adapter: string;
  readonly losses: number[];
  readonly translations: string[];
  /** Base64 by name. */
  readonly files: [name: string, content: string][];
}

/** Ten updates with dropout, their losses, what the model then makes of the words, and its files. */
export async function trainTenSteps({ openGpu, Seq2Seq }: Library): Promise<TrainedModel> {
  using gpu = await openGpu();
  using model = Seq2Seq.fromPairs(gpu, pairs, {
    data: { src: { level: 'char' } },
    model: {
      encoder: { embeddings: { embedding_dim: 16, dropout: 0.2 }, hidden_size: 12 },
      decoder: { hidden_dropout: 0.1 },
    },
    training: { batch_size: 6, learning_rate: 0.01 },
  });
  const losses: number[] = [];
  for await (const { loss } of model.fit(pairs, { updates: 10, logEvery: 1 })) losses.push(loss);
  const files = [...(await model.save())].map(([name, bytes]) => [name, toBase64(bytes)] as [string, string]);
  return { adapter: gpu.report.name, losses, translations: await model.translate(words), files };
}

/** What the model of these files, or of those below this URL, makes of the words. */
export async function translateFrom(
  { openGpu, load }: Library,
  from: Couplet.ModelSource,
): Promise<string[]> {
  using gpu = await openGpu();
  using model = await load(gpu, from);
  return await model.translate(words);
}

/** A tensor and its gradient from `couplet/ops`, whose errors are those of `couplet`. */
export async function softmaxOf(
  { openGpu, ShapeError }: Pick<typeof Couplet, 'openGpu' | 'ShapeError'>,
  { softmax }: Pick<typeof Ops, 'softmax'>,
): Promise<{ y: number[]; dx: number[]; sameErrors: boolean }> {
  using gpu = await openGpu();
  const x = { data: Float32Array.of(1, 2, 3, 3, 2, 1), shape: [2, 3] };
  const dy = { data: Float32Array.of(1, 0, 0, 0, 0, 1), shape: [2, 3] };
  const { outputs, gradients } = await softmax(gpu, { x }, {}, { y: dy });
  const error = await softmax(gpu, { x: { ...x, shape: [7] } }).catch((reason: unknown) => reason);
  return {
    y: [...outputs.y.data],
    dx: [...gradients.x.data],
    sameErrors: error instanceof ShapeError,
  };
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
