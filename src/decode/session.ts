/**
 * What decoding keeps on the device for one shape of sources: the plan that encodes them, the plan that runs a chunk
 * of steps, and between chunks the memory, the decoder's states, the fed-back h̃ and the last tokens.
 */
import { BEGIN_ID, END_ID, PAD_ID } from '../data/special-tokens.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { Decoder } from '../nn/decoder.ts';
import { encoderOutputSize } from '../nn/model-config.ts';
import type { Seq2SeqNetwork } from '../nn/seq2seq.ts';
import { recordCopy, recordCopyRows } from '../ops/copy.ts';
import { recordEmbedding } from '../ops/embedding.ts';
import { recordGreedyStep } from '../ops/greedy-step.ts';
import { recordMatmul } from '../ops/matmul.ts';
import { destroyTensor, persistentTensor, writeTensor } from '../scheduler/persistent.ts';
import { Plan } from '../scheduler/plan.ts';
import type { ScratchPool } from '../scheduler/scratch-pool.ts';
import { Tape } from '../scheduler/tape.ts';
import type { DType, Shape, Tensor } from '../scheduler/tensor.ts';

export interface SessionShape {
  readonly B: number;
  readonly S: number;
  /** Steps a chunk. */
  readonly steps: number;
  readonly alignments: boolean;
}

const specialIds = { padding: PAD_ID, begin: BEGIN_ID, end: END_ID };

export class DecodeSession {
  /** u32 [S, B] and [B]: written before encoding. */
  readonly ids: Tensor;
  readonly lengths: Tensor;
  /** u32 [B]: the tokens that the next chunk starts from. */
  readonly firstToken: Tensor;
  /** u32 [steps + 1, B]: the tokens of the last chunk, its first ones included. */
  readonly tokens: Tensor;
  /** [steps, B, S] of the last chunk, if asked for. */
  readonly keptAlignments: Tensor | undefined;
  readonly #gpu: Gpu;
  readonly #network: Seq2SeqNetwork;
  readonly #shape: SessionShape;
  readonly #owned: Tensor[] = [];
  readonly #memory: Tensor;
  readonly #states: Tensor[][];
  readonly #feed: Tensor;
  readonly #random: Tensor;
  #encodePlan: Plan | undefined;
  #plan: Plan | undefined;

  private constructor(gpu: Gpu, network: Seq2SeqNetwork, shape: SessionShape, stateCount: number) {
    const { B, S, steps } = shape;
    const { decoder } = network.config;
    const H = decoder.hidden_size;
    this.#gpu = gpu;
    this.#network = network;
    this.#shape = shape;
    this.ids = this.#own('decode.ids', [S, B], 'u32');
    this.lengths = this.#own('decode.lengths', [B], 'u32');
    this.firstToken = this.#own('decode.first token', [B], 'u32');
    this.tokens = this.#own('decode.tokens', [steps + 1, B], 'u32');
    this.keptAlignments = shape.alignments ? this.#own('decode.alignments', [steps, B, S]) : undefined;
    this.#memory = this.#own('decode.memory', [S, B, encoderOutputSize(network.config)]);
    this.#states = Array.from({ length: decoder.num_layers }, (_, layer) =>
      Array.from({ length: stateCount }, (_, state) => this.#own(`decode.state ${layer}.${state}`, [B, H])),
    );
    this.#feed = this.#own('decode.feed', [B, H]);
    this.#random = this.#own('decode.random', [4], 'u32'); // bound by dropout alone, which does not run here
  }

  static async create(
    gpu: Gpu,
    network: Seq2SeqNetwork,
    pool: ScratchPool,
    shape: SessionShape,
  ): Promise<DecodeSession> {
    const session = new DecodeSession(gpu, network, shape, network.stateCount);
    const name = `B${shape.B} S${shape.S}`;
    const encode = new Tape({ software: gpu.software, subgroups: gpu.subgroups, training: false });
    const chunk = new Tape({ software: gpu.software, subgroups: gpu.subgroups, training: false });
    try {
      session.#recordEncode(encode);
      session.#recordChunk(chunk);
      session.#encodePlan = await Plan.build(gpu, pool, `encode ${name}`, encode);
      session.#plan = await Plan.build(gpu, pool, `decode ${name} ×${shape.steps}`, chunk, {
        dispose: () => session.#dispose(),
      });
    } catch (error) {
      session.#dispose();
      throw error;
    }
    return session;
  }

  get encodePlan(): Plan {
    return this.#encodePlan!;
  }

  /** Runs a chunk of steps. Disposing it disposes the session. */
  get plan(): Plan {
    return this.#plan!;
  }

  clearFeed(): void {
    writeTensor(this.#gpu, this.#feed, new Float32Array(this.#feed.size));
  }

  #own(label: string, shape: Shape, dtype: DType = 'f32'): Tensor {
    const tensor = persistentTensor(this.#gpu, label, shape, dtype);
    this.#owned.push(tensor);
    return tensor;
  }

  #recordEncode(tape: Tape): void {
    const { memory, initial } = this.#network.recordEncoder(tape, this.ids, this.lengths, this.#random);
    recordCopy(tape, memory, this.#memory);
    this.#keepStates(tape, initial);
  }

  #recordChunk(tape: Tape): void {
    const { B, steps } = this.#shape;
    const { config, parameters, targetEmbedding, outputWeight, outputBias } = this.#network;
    const [E, V] = [targetEmbedding.dim(1), outputWeight.dim(0)];
    const H = config.decoder.hidden_size;
    const embedded = tape.tensor('decode.embedded', [steps, B, E]);
    const logits = tape.tensor('decode.logits', [B, V]);
    const decoder = new Decoder(tape, parameters, config, {
      embedded,
      initial: this.#states,
      initialFeed: this.#feed,
      memory: this.#memory,
      memoryLengths: this.lengths,
      random: this.#random,
    });
    const firstRow = { tensor: this.tokens, offset: 0, row: B };
    recordCopyRows(tape, { tensor: this.firstToken, offset: 0, row: B }, firstRow, 1, B);
    for (let step = 0; step < steps; step++) {
      recordEmbedding(tape, this.tokens, targetEmbedding, embedded, step * B, (step + 1) * B);
      decoder.forward(step, step + 1);
      recordMatmul(tape, {
        m: B,
        n: V,
        k: H,
        a: { tensor: decoder.output, offset: step * B * H, row: H },
        b: { tensor: outputWeight, row: 1, column: H },
        c: { tensor: logits, row: V },
        bias: outputBias,
      });
      recordGreedyStep(tape, logits, this.tokens, step, specialIds);
    }
    const lastRow = { tensor: this.tokens, offset: steps * B, row: B };
    recordCopyRows(tape, lastRow, { tensor: this.firstToken, offset: 0, row: B }, 1, B);
    const lastOutput = { tensor: decoder.output, offset: (steps - 1) * B * H, row: H };
    recordCopyRows(tape, lastOutput, { tensor: this.#feed, offset: 0, row: H }, B, H);
    this.#keepStates(tape, decoder.finalStates());
    if (this.keptAlignments) recordCopy(tape, decoder.alignments, this.keptAlignments);
  }

  #keepStates(tape: Tape, states: readonly (readonly Tensor[])[]): void {
    for (const [layer, perState] of this.#states.entries()) {
      for (const [state, kept] of perState.entries()) recordCopy(tape, states[layer]![state]!, kept);
    }
  }

  #dispose(): void {
    this.#encodePlan?.dispose();
    for (const tensor of this.#owned) destroyTensor(tensor);
  }
}
