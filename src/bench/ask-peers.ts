/** Asks the peers for a piece of work; one that fails at it becomes a row that says why, and spoils nothing. */
import type { Peer, PeerContestant, PeerTask } from './bench.ts';
import type { BenchRow } from './report.ts';

export interface AskedPeers {
  readonly contestants: readonly PeerContestant[];
  readonly failures: readonly BenchRow[];
}

export async function askPeers(peers: readonly Peer[], task: PeerTask): Promise<AskedPeers> {
  const contestants: PeerContestant[] = [];
  const failures: BenchRow[] = [];
  const { bench, title, sizes } = task;
  for (const peer of peers) {
    try {
      const contestant = await peer.contestant(task);
      if (contestant) contestants.push(contestant);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      failures.push({ bench, title, sizes, contestant: peer.name, outcome: 'failed', message });
    }
  }
  return { contestants, failures };
}
