/**
 * Many short lists of numbers in two flat arrays: five million sentences are two allocations, not five million.
 */

export class Sequences {
  readonly #values: Uint32Array;
  readonly #offsets: Uint32Array;

  /** Sequence i is `values[offsets[i]] … values[offsets[i + 1] − 1]`. */
  constructor(values: Uint32Array, offsets: Uint32Array) {
    this.#values = values;
    this.#offsets = offsets;
  }

  static from(sequences: Iterable<ArrayLike<number>>): Sequences {
    const builder = new SequencesBuilder();
    for (const sequence of sequences) builder.push(sequence);
    return builder.finish();
  }

  /** How many sequences there are. */
  get count(): number {
    return this.#offsets.length - 1;
  }

  /** The lengths of all sequences added up. */
  get totalLength(): number {
    return this.#values.length;
  }

  /** The length of the longest sequence, 0 if there is none. */
  get longest(): number {
    let longest = 0;
    for (let i = 0; i < this.count; i++) longest = Math.max(longest, this.lengthOf(i));
    return longest;
  }

  /** The length of one sequence. */
  lengthOf(index: number): number {
    return this.#offsets[index + 1]! - this.#offsets[index]!;
  }

  /** A view of one sequence: not to be written to. */
  at(index: number): Uint32Array {
    return this.#values.subarray(this.#offsets[index]!, this.#offsets[index + 1]!);
  }

  *[Symbol.iterator](): Generator<Uint32Array> {
    for (let i = 0; i < this.count; i++) yield this.at(i);
  }
}

/** Collects sequences one by one. */
export class SequencesBuilder {
  #values = new Uint32Array(1024);
  #offsets = new Uint32Array(256);
  #count = 0;

  push(sequence: ArrayLike<number>): void {
    const start = this.#offsets[this.#count]!;
    const end = start + sequence.length;
    if (end > this.#values.length) this.#values = grown(this.#values, end);
    this.#values.set(sequence, start);
    this.#count++;
    if (this.#count >= this.#offsets.length) this.#offsets = grown(this.#offsets, this.#count + 1);
    this.#offsets[this.#count] = end;
  }

  finish(): Sequences {
    const offsets = this.#offsets.slice(0, this.#count + 1);
    return new Sequences(this.#values.slice(0, offsets[this.#count]), offsets);
  }
}

function grown(array: Uint32Array<ArrayBuffer>, needed: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(Math.max(array.length * 2, needed));
  larger.set(array);
  return larger;
}
