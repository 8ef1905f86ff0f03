/** `couplet bench`: how fast this device runs each kernel and whole steps, and how fast it could at most. */
import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Subject } from '../bench/bench.ts';
import { chooseBenches } from '../bench/bench-device.ts';
import { compareRows, formatComparisons } from '../bench/compare.ts';
import { measureRoofline } from '../bench/measure-roofline.ts';
import { benches } from '../bench/registry.ts';
import type { BenchReport, BenchRow } from '../bench/report.ts';
import { runBenches } from '../bench/run.ts';
import { parseSizes } from '../bench/sizes.ts';
import { formatRoofline, formatTable } from '../bench/table.ts';
import { UsageError } from '../errors.ts';
import { writeFileAtomic } from '../node/atomic-files.ts';
import { type OpenedPeers, openPeers } from '../node/bench-peers.ts';
import { coupletVersion, findPackage } from '../node/find-package.ts';
import { openGpu, wantedAdapter } from '../node/open-gpu.ts';
import { adapterOption, command, tuneOption } from './arguments.ts';
import { formatSeconds } from './progress.ts';
import { openDevice, say } from './session.ts';

export const benchCommand = command({
  name: 'bench',
  names: {
    name: 'NAME',
    help: `Which benchmarks; all but those marked * if none is named; of train also a model`,
  },
  summary: 'Measure kernels and whole steps, and how near they come to what the device can do',
  details: `${benches.map(({ name, summary, onRequest }) => `  ${(onRequest ? `${name} *` : name).padEnd(18)}${summary}`).join('\n')}

Results are checked against float64 before anything is timed; the exit code is 1 where one is wrong. docs/bench.md says
what the columns mean.`,
  options: {
    json: { value: 'FILE', help: 'Write all figures as JSON' },
    sizes: {
      value: 'SIZES',
      help: 'paper, browser, odd; dimensions replace theirs: paper,H=1024 (default: all, in software not paper)',
    },
    peers: {
      help: 'Other libraries at the same work in the same run; needs a checkout with its dependencies',
    },
    fast: { help: 'Measure with and without what `--fast` does elsewhere: Dawn without its checks' },
    tune: tuneOption,
    adapter: adapterOption,
  },
  examples: [
    { line: 'bench' },
    { line: 'bench matmul softmax --sizes paper,H=1024' },
    { line: 'bench lstm --sizes B=32,H=128 --fast --json lstm.json' },
    { line: 'bench train tiny small --peers', note: 'two of the five models, beside other libraries' },
  ],
  async run(_, { json, sizes: sizesText, peers: withPeers, fast, tune, adapter }, __, names) {
    const { chosen, parts } = chooseBenches(names);
    // Mistakes show before a device is opened.
    parseSizes(sizesText, true);
    if (json !== undefined) checkFile(json);
    const started = performance.now();
    const seconds = () => (performance.now() - started) / 1000;
    using opened = withPeers ? await openPeers({ adapter: wantedAdapter(adapter), fast }) : undefined;
    const { peers, missing } = opened ?? noPeers;
    using gpu = await openDevice(adapter, false, tune);
    const open = (fast: boolean) =>
      openGpu({ fast, tune: gpu.tuning ?? 'rule', ...(adapter !== undefined && { adapter }) });
    using fastGpu = fast ? await open(true) : undefined;
    for (const { name, version, device } of peers) say(`peer: ${name} ${version} on ${device}`);
    for (const line of missing) say(line);
    const sizes = parseSizes(sizesText, gpu.software);
    const subjects: Subject[] = [];
    for (const [name, device] of [['couplet', gpu] as const, ['couplet --fast', fastGpu] as const]) {
      if (!device) continue;
      const roofline = await measureRoofline(device);
      say(`${name}: ${formatRoofline(roofline)}`);
      subjects.push({ name, gpu: device, roofline, open: () => open(device === fastGpu) });
    }
    const begun = seconds();
    // Peers may take minutes a step where a CPU plays the GPU.
    const measure = gpu.software && peers.length > 0 ? { minTurns: 3 } : {};
    const rows: BenchRow[] = [];
    const tables = new Map<string, BenchRow[]>();
    const isOurs = (name: string) => subjects.some((subject) => subject.name === name);
    /** Written anew after each case: what a long run has found is not lost when it is stopped. */
    const save = async (file: string) => {
      const report: BenchReport = {
        format: 'couplet-bench/1',
        date: new Date().toISOString(),
        command: ['couplet', ...process.argv.slice(2)].join(' '),
        versions: {
          couplet: coupletVersion(),
          node: process.version,
          webgpu: findPackage('webgpu')?.version ?? 'unknown',
          ...Object.fromEntries(peers.map(({ name, version, device }) => [name, `${version}, on ${device}`])),
        },
        devices: subjects.map(({ name, gpu: device, roofline }) => {
          return { contestant: name, adapter: device.report, roofline };
        }),
        seconds: seconds(),
        rows,
        ...(peers.length > 0 && { comparisons: compareRows(rows, isOurs) }),
      };
      await writeFileAtomic(file, `${JSON.stringify(report, null, 2)}\n`);
    };
    let saved = Promise.resolve();
    await runBenches(
      chosen,
      { subjects, peers, sizes, measure, parts, cpuSeconds: ownCpuSeconds },
      {
        starts({ bench, title, done, cases }) {
          const left =
            done > 0 ? `  ETA ${formatSeconds(((seconds() - begun) * (cases - done)) / done)}` : '';
          say(`${formatSeconds(seconds())}  ${done + 1}/${cases}  ${bench.name}: ${title}${left}`);
        },
        ends(found) {
          rows.push(...found);
          for (const row of found) tables.set(row.bench, [...(tables.get(row.bench) ?? []), row]);
          if (json !== undefined) saved = saved.then(() => save(json));
        },
      },
    );
    const comparisons = compareRows(rows, isOurs);
    const blocks = [...tables.values()].map((table) => formatTable(table));
    if (comparisons.length > 0) blocks.push(formatComparisons(comparisons));
    process.stdout.write(`${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`);
    await saved;
    // A peer that fails is its own affair; one that learns something else is ours as well.
    const isBad = ({ outcome, contestant }: BenchRow) =>
      outcome === 'wrong' || (outcome === 'failed' && isOurs(contestant));
    if (rows.some(isBad)) process.exitCode = 1;
  },
});

/** Throws UsageError where no file of that name can be written: it would be a pity after all the measuring. */
function checkFile(json: string): void {
  const folder = dirname(resolve(json));
  if (!existsSync(folder)) throw new UsageError(`--json: there is no folder '${dirname(json)}'`);
  if (existsSync(json) && statSync(json).isDirectory()) {
    throw new UsageError(`--json: '${json}' is a folder`);
  }
}

const noPeers: Pick<OpenedPeers, 'peers' | 'missing'> = { peers: [], missing: [] };

/** Of all threads of this process: on a software adapter also those that run the kernels. */
function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
