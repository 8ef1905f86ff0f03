/** The peers of `couplet bench --peers`: programs under `bench/peers/` of a checkout, each in a process of its own. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { Peer, PeerContestant, PeerTask, TrainingTask } from '../bench/bench.ts';
import { UsageError } from '../errors.ts';
import { writeSafetensors } from '../train/safetensors.ts';
import { ownPackage } from './find-package.ts';
import { PeerProcess } from './peer-process.ts';

/** A peer that runs, with what its report says of it. */
export interface RunningPeer extends Peer {
  readonly version: string;
  /** What it runs on, in its own words. */
  readonly device: string;
}

export interface OpenedPeers {
  readonly peers: readonly RunningPeer[];
  /** Peers that are not there, and why. */
  readonly missing: readonly string[];
  /** Ends them. */
  [Symbol.dispose](): void;
}

const standardLossTolerance = 1e-4;

/**
 * Starts all that are there.
 *
 * @throws UsageError with the command that installs them
 */
export async function openPeers(options: {
  readonly adapter: string;
  readonly fast: boolean;
}): Promise<OpenedPeers> {
  const folder = peersFolder(ownPackage()?.folder);
  const peers: RunningPeer[] = [];
  const missing: string[] = [];
  const dispose = () => {
    for (const peer of peers) peer.dispose();
  };
  const env = { COUPLET_ADAPTER: options.adapter, COUPLET_FAST: options.fast ? '1' : '0' };
  const start = (command: string, args: readonly string[]) =>
    PeerProcess.start({ command, args, cwd: folder, env });
  try {
    for (const program of ['tfjs.mjs', 'jax.mjs']) {
      peers.push(peerOf(await start(process.execPath, [program])));
    }
    const python = process.env.COUPLET_PYTHON ?? 'python3';
    try {
      const first = await start(python, ['pytorch.py', 'eager']);
      peers.push(peerOf(first));
      const wanted = process.env.COUPLET_PYTORCH_MODES?.split(',') ?? (first.hello.modes as string[]);
      for (const mode of wanted.filter((one) => one !== 'eager')) {
        peers.push(peerOf(await start(python, ['pytorch.py', mode])));
      }
    } catch (error) {
      const why = error instanceof Error ? error.message.split('\n').at(-1) : String(error);
      missing.push(`PyTorch is left out: ${why} (COUPLET_PYTHON names a Python that has it)`);
    }
    return { peers, missing, [Symbol.dispose]: dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/**
 * Where the programs lie in a checkout or package.
 *
 * @throws UsageError where they are not there, or not installed
 */
export function peersFolder(root: string | undefined): string {
  const folder = join(root ?? '', 'bench', 'peers');
  if (root === undefined || !existsSync(folder)) {
    throw new UsageError(
      '--peers: the npm package comes without the programs of the peers; in a checkout of Couplet run: ' +
        'npm ci && npm ci --prefix bench/peers && node dist/cli.js bench --peers',
    );
  }
  if (!existsSync(join(folder, 'node_modules'))) {
    const shown = relative(process.cwd(), folder);
    throw new UsageError(`--peers: the peers are not installed; run: npm ci --prefix ${shown}`);
  }
  return folder;
}

function peerOf(process: PeerProcess): RunningPeer {
  const { name, version, device } = process.hello as Record<'name' | 'version' | 'device', string>;
  return {
    name,
    version,
    device,
    contestant: (task) => prepareContestant(process, name, task),
    dispose: () => process.dispose(),
  };
}

async function prepareContestant(
  process: PeerProcess,
  name: string,
  { bench, title, sizes, training }: PeerTask,
): Promise<PeerContestant | undefined> {
  const answer = training
    ? await withWeights(training, (file) => {
        const batch = Object.fromEntries(
          Object.entries(training.batch).map(([key, ids]) => [key, Array.from(ids)]),
        );
        const sent = { ...training, batch, weights: file };
        return process.ask({ do: 'prepare', task: { bench, title, sizes, training: sent } });
      })
    : await process.ask({ do: 'prepare', task: { bench, title, sizes } });
  if (answer.absent === true) return undefined;
  let cpuSeconds = 0;
  return {
    name,
    clock: 'wall',
    lossTolerance: (answer.lossTolerance as number | undefined) ?? standardLossTolerance,
    ...(Array.isArray(answer.losses) && { losses: answer.losses as number[] }),
    async run(repeats) {
      const { ms, cpuMs } = (await process.ask({ do: 'turn', repeats })) as Record<'ms' | 'cpuMs', number>;
      cpuSeconds += cpuMs / 1000;
      return ms / 1000;
    },
    cpuSeconds: () => cpuSeconds,
    async figures() {
      return (await process.ask({ do: 'count' })) as Record<string, number>;
    },
  };
}

/** The weights as a file for as long as a peer reads them. */
async function withWeights<Result>(
  { weights }: TrainingTask,
  use: (file: string) => Promise<Result>,
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'couplet-peers-'));
  try {
    const file = join(folder, 'weights.safetensors');
    writeFileSync(file, writeSafetensors(weights));
    return await use(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
