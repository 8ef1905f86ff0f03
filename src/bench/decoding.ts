/** Greedy decoding: sentences and tokens a second, for one sentence at a time and for batches. */
import { SequenceDecoder, type Sources } from '../decode/sequence-decoder.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { Seq2SeqNetwork } from '../nn/seq2seq.ts';
import { ScratchPool } from '../scheduler/scratch-pool.ts';
import type { Bench, BenchCase, BenchContext } from './bench.ts';
import { batchOf, type Configuration, configurations, modelOf, resized } from './configurations.ts';
import { type Contestant, measure } from './measure.ts';
import type { BenchRow } from './report.ts';
import { sizesOf } from './training.ts';

const name = 'decode';
const batches = [1, 32, 256];

export const decodeBench: Bench = {
  name,
  summary: 'Greedy decoding of `small` to T words a sentence, in batches of 1, 32 and 256',
  cases(context: BenchContext): BenchCase[] {
    const small = configurations.find((one) => one.name === 'small')!;
    const replaced = context.sizes[0]?.replaced ?? {};
    const chosen = replaced.B === undefined ? batches : [replaced.B];
    return chosen.map((B) => {
      const configuration = resized(small, { ...replaced, B });
      const one = { ...configuration, name: 'greedy' };
      return { title: one.name, sizes: sizesOf(one), run: () => runDecoding(one, context) };
    });
  },
};

interface Decoding {
  /** Decodes the batch; resolves to the number of tokens put out. */
  run(): Promise<number>;
  dispose(): void;
}

async function runDecoding(configuration: Configuration, context: BenchContext): Promise<BenchRow[]> {
  const { B } = configuration.sizes;
  const decodings: Decoding[] = [];
  const tokens = new Map<string, number>();
  try {
    const racing: Contestant[] = [];
    for (const { name: contestant, gpu } of context.subjects) {
      const decoding = createDecoding(gpu, configuration);
      decodings.push(decoding);
      tokens.set(contestant, await decoding.run());
      racing.push({
        name: contestant,
        clock: 'wall',
        ...(context.cpuSeconds && { cpuSeconds: context.cpuSeconds }),
        async run(repeats) {
          const start = performance.now();
          for (let i = 0; i < repeats; i++) await decoding.run();
          return (performance.now() - start) / 1000;
        },
      });
    }
    return (await measure(racing, context.measure)).map(({ contestant, seconds, cpuSeconds, repeats }) => ({
      bench: name,
      title: configuration.name,
      sizes: sizesOf(configuration),
      contestant: contestant.name,
      outcome: 'ok',
      clock: contestant.clock,
      seconds,
      ...(cpuSeconds && { cpuSeconds }),
      repeats,
      figures: {
        'sentences/s': B / seconds.median,
        'tokens/s': tokens.get(contestant.name)! / seconds.median,
      },
    }));
  } finally {
    for (const decoding of decodings) decoding.dispose();
  }
}

function createDecoding(gpu: Gpu, configuration: Configuration): Decoding {
  const { S, T, V } = configuration.sizes;
  const network = new Seq2SeqNetwork(gpu, modelOf(configuration), { source: V, target: V });
  network.initialize(1);
  preferWords(network, V);
  const decoder = new SequenceDecoder(gpu, network, new ScratchPool(gpu));
  const { B, source, sourceLengths } = batchOf(configuration);
  const sources: Sources = { B, S, source, sourceLengths };
  const limits = new Array<number>(B).fill(T);
  return {
    async run() {
      const found = await decoder.decode(sources, { limits });
      return found.reduce((sum, { ids }) => sum + ids.length, 0);
    },
    dispose() {
      decoder.dispose();
      network.dispose();
    },
  };
}

/** Special tokens get a low bias: an untrained model must not end its sentences, or all would be of another length. */
function preferWords({ parameters }: Seq2SeqNetwork, V: number): void {
  const firstWord = 4;
  parameters.write(
    'decoder.output.bias',
    Float32Array.from({ length: V }, (_, id) => (id < firstWord ? -1e4 : 0)),
  );
}
