/**
 * Batched decoding on the device, greedy or sampled. Sources are encoded once; then chunks of steps run, each one submit
 * that chooses its words and feeds them back by itself; after a chunk the host reads the tokens and stops when every row
 * has put out `</s>` or reached its limit. A greedy row's tokens do not depend on the batch it is in.
 */
import type { SourceBatch } from '../data/batches.ts';
import { BEGIN_ID, END_ID, PAD_ID } from '../data/special-tokens.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { writeSources } from '../nn/batch-tensors.ts';
import type { GeneratingNetwork } from '../nn/generating.ts';
import { readIds, readTensor, writeTensor } from '../scheduler/persistent.ts';
import { submit } from '../scheduler/plan.ts';
import { PlanCache } from '../scheduler/plan-cache.ts';
import type { ScratchPool } from '../scheduler/scratch-pool.ts';
import { Serial } from '../scheduler/serial.ts';
import { DecodeSession } from './session.ts';

/** Sources as `data/batches.ts` makes them. */
export type Sources = Pick<
  SourceBatch,
  'B' | 'S' | 'C' | 'source' | 'sourceLengths' | 'characters' | 'characterLengths'
>;

export interface Hypothesis {
  /** Target ids without `</s>`. */
  readonly ids: number[];
  /** False where the limit came before `</s>`. */
  readonly ended: boolean;
  /** For each id (and `</s>`, where it came) the weights over the source positions; only when asked for. */
  readonly alignments?: Float32Array[];
}

export interface DecodeOptions {
  /** Most tokens of each row, without `</s>`. */
  readonly limits: readonly number[];
  readonly alignments?: boolean;
  /** 0 (the default): the most probable token at each step; else one drawn from softmax(logits / temperature). */
  readonly temperature?: number;
  /** Of drawn tokens: the same seed draws the same tokens for the same batch. */
  readonly seed?: number;
  /** Of drawn tokens: which of the batches with this seed it is, so that equal rows of two are drawn apart. Default: 0. */
  readonly number?: number;
  /** u32 [B]: what each row goes on from. Default: `<s>`, and nothing comes of a row without a source. */
  readonly firstTokens?: Uint32Array;
}

/** Steps between two looks at the tokens. */
const chunkSteps = 16;
const cachedShapes = 16;

export class SequenceDecoder {
  readonly #gpu: Gpu;
  readonly #network: GeneratingNetwork;
  readonly #pool: ScratchPool;
  readonly #sessions = new PlanCache<DecodeSession>(cachedShapes);
  readonly #serial = new Serial();

  constructor(gpu: Gpu, network: GeneratingNetwork, pool: ScratchPool) {
    this.#gpu = gpu;
    this.#network = network;
    this.#pool = pool;
  }

  /** One hypothesis a row, empty rows (length 0) included. Calls made at once are served one after another. */
  decode(sources: Sources, options: DecodeOptions): Promise<Hypothesis[]> {
    return this.#serial.run(() => this.#decode(sources, options));
  }

  async #decode(sources: Sources, options: DecodeOptions): Promise<Hypothesis[]> {
    const { limits, temperature = 0, seed = 0, number = 0, firstTokens } = options;
    const alignments = options.alignments === true && this.#network.memorySize > 0;
    const { B, S } = sources;
    const shape = { B, S, steps: chunkSteps, alignments, sampled: temperature > 0 };
    const session = await this.#sessions.get(JSON.stringify(shape), () =>
      DecodeSession.create(this.#gpu, this.#network, this.#pool, shape),
    );
    writeSources(this.#gpu, session.sources, sources);
    writeTensor(this.#gpu, session.firstToken, firstTokens ?? new Uint32Array(B).fill(BEGIN_ID));
    writeTensor(this.#gpu, session.temperature, Float32Array.of(temperature));
    session.clearFeed();
    submit(this.#gpu, 'encode', [session.encodePlan]);
    const rows = Array.from(
      { length: B },
      (_, row) => new Row(limits[row] ?? 0, sources.sourceLengths[row]!, firstTokens !== undefined),
    );
    for (let chunk = 0; rows.some((row) => !row.done); chunk++) {
      writeTensor(this.#gpu, session.random, Uint32Array.of(seed, 0, chunk, number));
      submit(this.#gpu, 'decode', [session.plan]);
      const [tokens, weights] = await Promise.all([
        readIds(this.#gpu, session.tokens),
        session.keptAlignments && readTensor(this.#gpu, session.keptAlignments),
      ]);
      for (let step = 0; step < chunkSteps; step++) {
        for (const [b, row] of rows.entries()) {
          const start = (step * B + b) * S;
          row.take(tokens[(step + 1) * B + b]!, weights?.subarray(start, start + S));
        }
      }
    }
    return rows.map((row) => row.hypothesis(alignments));
  }

  dispose(): void {
    this.#sessions.dispose();
  }
}

/** What one row has put out so far. */
class Row {
  readonly #limit: number;
  readonly #length: number;
  readonly #ids: number[] = [];
  readonly #alignments: Float32Array[] = [];
  #ended: boolean;

  constructor(limit: number, sourceLength: number, goesOn: boolean) {
    this.#limit = limit;
    this.#length = sourceLength;
    this.#ended = sourceLength === 0 && !goesOn;
  }

  get done(): boolean {
    return this.#ended || this.#ids.length >= this.#limit;
  }

  take(token: number, weights: Float32Array | undefined): void {
    if (this.done) return;
    if (weights) this.#alignments.push(weights.slice(0, this.#length));
    if (token === END_ID || token === PAD_ID) this.#ended = true;
    else this.#ids.push(token);
  }

  hypothesis(withAlignments: boolean): Hypothesis {
    const found = { ids: this.#ids, ended: this.#ended };
    return withAlignments ? { ...found, alignments: this.#alignments } : found;
  }
}
