/**
 * The line protocol that every peer speaks, so that one runner can take turns with all of them: a request is a line of JSON
 * on standard input, its answer a line of JSON on standard output (`{ "error": … }` where it failed).
 *
 *   {"do":"prepare","task":{"bench":"matmul","title":…,"sizes":…}}  → {} once what a turn needs is on the device and compiled,
 *                                 {"absent":true} where the peer has no part in it; of training {"losses":[…]}
 *   {"do":"turn","repeats":N}  → {"ms":…,"cpuMs":…}: N steps or runs, the last one finished
 *   {"do":"count"}             → {"dispatches":…,"submits":…,"objects made":…}: the WebGPU calls of one more
 *
 * A task is a `PeerTask` of `src/bench/bench.ts`, its weights the name of a safetensors file. Preparing releases what was
 * prepared before.
 *
 * The first line, before any request, says who answers: {"name":…,"version":…,"device":…}. A peer ends with its input.
 */
import { createInterface } from 'node:readline';

/**
 * @typedef {{ answer?: object, run: (repeats: number) => Promise<unknown>, release?: () => void }} Prepared
 * @param {{ hello: object, prepare: (task: object) => Promise<Prepared | undefined>, count: (run: () => Promise<unknown>) => Promise<object> }} peer
 */
export async function serve({ hello, prepare, count }) {
  const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
  let prepared;
  const answers = {
    async prepare({ task }) {
      prepared?.release?.();
      prepared = undefined;
      prepared = await prepare(task);
      return prepared ? (prepared.answer ?? {}) : { absent: true };
    },
    async turn({ repeats }) {
      const [start, cpu] = [performance.now(), process.cpuUsage()];
      await prepared.run(repeats);
      const ms = performance.now() - start;
      const { user, system } = process.cpuUsage(cpu);
      return { ms, cpuMs: (user + system) / 1000 };
    },
    count: () => count(() => prepared.run(1)),
  };
  say(hello);
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      const request = JSON.parse(line);
      say(await answers[request.do](request));
    } catch (error) {
      say({ error: error instanceof Error ? error.message : String(error) });
    }
  }
  process.exit(0); // A peer may keep timers or a device that would hold the process.
}
