/**
 * Batched greedy decoding on the device. Sources are encoded once; then chunks of steps run, each one submit that
 * chooses its words and feeds them back by itself; after a chunk the host reads the tokens and stops when every row
 * has put out `</s>` or reached its limit. A row's tokens do not depend on the batch it is in.
 */
import { BEGIN_ID, END_ID, PAD_ID } from '../data/special-tokens.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Seq2SeqNetwork } from '../nn/seq2seq.ts';
import { readIds, readTensor, writeTensor } from '../scheduler/persistent.ts';
import { submit } from '../scheduler/plan.ts';
import { PlanCache } from '../scheduler/plan-cache.ts';
import type { ScratchPool } from '../scheduler/scratch-pool.ts';
import { Serial } from '../scheduler/serial.ts';
import { DecodeSession } from './session.ts';

/** Sources as `data/batches.ts` makes them. */
export interface Sources {
  readonly B: number;
  readonly S: number;
  readonly source: Uint32Array;
  readonly sourceLengths: Uint32Array;
}

export interface Hypothesis {
  /** Target ids without `</s>`. */
  readonly ids: number[];
  /** False where the limit came before `</s>`. */
  readonly ended: boolean;
  /** For each id (and `</s>`, where it came) the weights over the source positions; only when asked for. */
  readonly alignments?: Float32Array[];
}

export interface GreedyOptions {
  /** Most tokens of each row, without `</s>`. */
  readonly limits: readonly number[];
  readonly alignments?: boolean;
}

/** Steps between two looks at the tokens. */
const chunkSteps = 16;
const cachedShapes = 16;

export class GreedyDecoder {
  readonly #gpu: Gpu;
  readonly #network: Seq2SeqNetwork;
  readonly #pool: ScratchPool;
  readonly #sessions = new PlanCache<DecodeSession>(cachedShapes);
  readonly #serial = new Serial();

  constructor(gpu: Gpu, network: Seq2SeqNetwork, pool: ScratchPool) {
    this.#gpu = gpu;
    this.#network = network;
    this.#pool = pool;
  }

  /** One hypothesis a row, empty rows (length 0) included. Calls made at once are served one after another. */
  decode(sources: Sources, options: GreedyOptions): Promise<Hypothesis[]> {
    return this.#serial.run(() => this.#decode(sources, options));
  }

  async #decode(sources: Sources, { limits, alignments = false }: GreedyOptions): Promise<Hypothesis[]> {
    const { B, S } = sources;
    const shape = { B, S, steps: chunkSteps, alignments };
    const session = await this.#sessions.get(JSON.stringify(shape), () =>
      DecodeSession.create(this.#gpu, this.#network, this.#pool, shape),
    );
    writeTensor(this.#gpu, session.ids, sources.source);
    writeTensor(this.#gpu, session.lengths, sources.sourceLengths);
    writeTensor(this.#gpu, session.firstToken, new Uint32Array(B).fill(BEGIN_ID));
    session.clearFeed();
    submit(this.#gpu, 'encode', [session.encodePlan]);
    const rows = Array.from(
      { length: B },
      (_, row) => new Row(limits[row] ?? 0, sources.sourceLengths[row]!),
    );
    while (rows.some((row) => !row.done)) {
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

  constructor(limit: number, sourceLength: number) {
    this.#limit = limit;
    this.#length = sourceLength;
    this.#ended = sourceLength === 0;
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
