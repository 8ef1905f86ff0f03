/**
 * What decoding keeps on the device for one shape of sources: the plan that encodes them, the plan that runs a chunk
 * of steps, and between chunks the memory, the decoder's states, the fed-back h̃ and the last tokens.
 */
import type { Gpu } from '../gpu/gpu.ts';
import { createSourceTensors } from '../nn/batch-tensors.ts';
import { Decoder } from '../nn/decoder.ts';
import { dropoutSite } from '../nn/dropout-sites.ts';
import { type GeneratingNetwork, recordLogits, specialIds } from '../nn/generating.ts';
import type { SourceTensors } from '../nn/network.ts';
import { broadcast } from '../ops/broadcast.ts';
import { recordCopy, recordCopyRows } from '../ops/copy.ts';
import { recordEmbedding } from '../ops/embedding.ts';
import { recordGreedyStep } from '../ops/greedy-step.ts';
import { recordSampleStep } from '../ops/sample-step.ts';
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
  /** Draw tokens at a temperature instead of taking the most probable ones. */
  readonly sampled: boolean;
}

export class DecodeSession {
  /** Written before encoding. */
  readonly sources: SourceTensors;
  /** u32 [B]: the tokens that the next chunk starts from. */
  readonly firstToken: Tensor;
  /** u32 [steps + 1, B]: the tokens of the last chunk, its first ones included. */
  readonly tokens: Tensor;
  /** [steps, B, S] of the last chunk, if asked for. */
  readonly keptAlignments: Tensor | undefined;
  /** f32 [1] and u32 [4]: of drawn tokens; the host writes them before each chunk. */
  readonly temperature: Tensor;
  readonly random: Tensor;
  readonly #gpu: Gpu;
  readonly #network: GeneratingNetwork;
  readonly #shape: SessionShape;
  readonly #owned: Tensor[] = [];
  /** [S, B, M], where the decoder attends. */
  readonly #memory: Tensor | undefined;
  /** [B, C], where it reads a context. */
  readonly #context: Tensor | undefined;
  readonly #states: Tensor[][];
  readonly #feed: Tensor;
  #encodePlan: Plan | undefined;
  #plan: Plan | undefined;

  private constructor(gpu: Gpu, network: GeneratingNetwork, shape: SessionShape) {
    const { B, S, steps } = shape;
    const { decoder } = network.spec;
    const H = decoder.hidden_size;
    this.#gpu = gpu;
    this.#network = network;
    this.#shape = shape;
    this.sources = createSourceTensors(gpu, network, shape);
    this.#owned.push(...Object.values(this.sources));
    this.firstToken = this.#own('decode.first token', [B], 'u32');
    this.tokens = this.#own('decode.tokens', [steps + 1, B], 'u32');
    const { memorySize, contextSize, stateCount } = network;
    const keeps = shape.alignments && memorySize > 0;
    this.keptAlignments = keeps ? this.#own('decode.alignments', [steps, B, S]) : undefined;
    this.#memory = memorySize > 0 ? this.#own('decode.memory', [S, B, memorySize]) : undefined;
    this.#context = contextSize > 0 ? this.#own('decode.context', [B, contextSize]) : undefined;
    this.#states = Array.from({ length: decoder.num_layers }, (_, layer) =>
      Array.from({ length: stateCount }, (_, state) => this.#own(`decode.state ${layer}.${state}`, [B, H])),
    );
    this.#feed = this.#own('decode.feed', [B, H]);
    this.temperature = this.#own('decode.temperature', [1]);
    this.random = this.#own('decode.random', [4], 'u32');
  }

  static async create(
    gpu: Gpu,
    network: GeneratingNetwork,
    pool: ScratchPool,
    shape: SessionShape,
  ): Promise<DecodeSession> {
    const session = new DecodeSession(gpu, network, shape);
    const name = `B${shape.B} S${shape.S}`;
    const encode = new Tape({ ...gpu.traits, training: false });
    const chunk = new Tape({ ...gpu.traits, training: false });
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
    const { initial, memory, context } = this.#network.recordStart(tape, this.sources, this.random);
    if (this.#memory && memory) recordCopy(tape, memory, this.#memory);
    if (this.#context && context) recordCopy(tape, context, this.#context);
    this.#keepStates(tape, initial);
  }

  #recordChunk(tape: Tape): void {
    const { B, steps } = this.#shape;
    const network = this.#network;
    const { targetEmbedding } = network;
    const [E, V] = [targetEmbedding.dim(1), network.outputWeight.dim(0)];
    const H = network.spec.decoder.hidden_size;
    const embedded = tape.tensor('decode.embedded', [steps, B, E]);
    const logits = tape.tensor('decode.logits', [B, V]);
    const first = network.contextUse === 'first_step';
    const decoder = new Decoder(tape, network.parameters, network.spec, {
      embedded,
      initial: this.#states,
      initialFeed: this.#feed,
      ...(this.#memory && { memory: this.#memory, memoryLengths: this.sources.sourceLengths }),
      ...(this.#context && { context: broadcast(tape, this.#context, first ? 1 : steps) }),
      random: this.random,
      stepwise: true,
    });
    const firstRow = { tensor: this.tokens, offset: 0, row: B };
    recordCopyRows(tape, { tensor: this.firstToken, offset: 0, row: B }, firstRow, 1, B);
    for (let step = 0; step < steps; step++) {
      recordEmbedding(tape, this.tokens, targetEmbedding, embedded, step * B, (step + 1) * B);
      decoder.forward(step, step + 1);
      recordLogits(tape, network, decoder.output, step, logits);
      this.#recordChoice(tape, logits, step);
    }
    const lastRow = { tensor: this.tokens, offset: steps * B, row: B };
    recordCopyRows(tape, lastRow, { tensor: this.firstToken, offset: 0, row: B }, 1, B);
    const lastOutput = { tensor: decoder.output, offset: (steps - 1) * B * H, row: H };
    recordCopyRows(tape, lastOutput, { tensor: this.#feed, offset: 0, row: H }, B, H);
    this.#keepStates(tape, decoder.finalStates());
    // The next chunk's first step is not the sequence's.
    if (this.#context && first) tape.fill(this.#context, 0);
    if (this.keptAlignments) recordCopy(tape, decoder.alignments!, this.keptAlignments);
  }

  #recordChoice(tape: Tape, logits: Tensor, step: number): void {
    if (!this.#shape.sampled) {
      recordGreedyStep(tape, logits, this.tokens, step, specialIds);
      return;
    }
    const { temperature, random } = this;
    const site = dropoutSite('generation');
    recordSampleStep(tape, logits, this.tokens, step, { ...specialIds, temperature, random, site });
  }

  /** States that are not given are zero. */
  #keepStates(tape: Tape, states: readonly (readonly (Tensor | undefined)[])[]): void {
    for (const [layer, perState] of this.#states.entries()) {
      for (const [state, kept] of perState.entries()) {
        const given = states[layer]?.[state];
        if (given) recordCopy(tape, given, kept);
        else tape.fill(kept, 0);
      }
    }
  }

  #dispose(): void {
    this.#encodePlan?.dispose();
    for (const tensor of this.#owned) destroyTensor(tensor);
  }
}
