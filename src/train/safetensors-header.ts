/**
 * The header of a safetensors file, parsed strictly. It is JSON of one fixed form, and JSON.parse will not do: it
 * silently keeps the last of two equal keys, rounds large numbers and makes `__proto__` special. This
 * parser takes nothing but that form, and keeps names in Maps.
 */
import { CheckpointError } from '../errors.ts';

export interface TensorInfo {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** First byte and the one after the last, counted from the end of the header. */
  readonly dataOffsets: readonly [number, number];
}

export interface Header {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** @throws CheckpointError naming `file` and what is wrong where */
export function parseHeader(text: string, file: string): Header {
  const scanner = new Scanner(text, file);
  const tensors = new Map<string, TensorInfo>();
  let metadata: Map<string, string> | undefined;
  if (text[0] !== '{') scanner.fail('does not start with {');
  scanner.object((name) => {
    if (name === '__metadata__') {
      if (metadata) scanner.fail('gives __metadata__ twice');
      metadata = parseMetadata(scanner);
    } else {
      if (tensors.has(name)) scanner.fail(`gives the tensor ${quoted(name)} twice`);
      tensors.set(name, parseTensorInfo(scanner, name));
    }
  });
  scanner.end();
  return { tensors, metadata: metadata ?? new Map() };
}

function parseMetadata(scanner: Scanner): Map<string, string> {
  const metadata = new Map<string, string>();
  scanner.object((key) => {
    if (metadata.has(key)) scanner.fail(`gives the metadata ${quoted(key)} twice`);
    metadata.set(key, scanner.string());
  });
  return metadata;
}

function parseTensorInfo(scanner: Scanner, name: string): TensorInfo {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  scanner.object((field) => {
    const twice = () => scanner.fail(`gives ${field} of the tensor ${quoted(name)} twice`);
    if (field === 'dtype') {
      if (dtype !== undefined) twice();
      dtype = scanner.string();
    } else if (field === 'shape') {
      if (shape !== undefined) twice();
      shape = scanner.integers();
    } else if (field === 'data_offsets') {
      if (offsets !== undefined) twice();
      offsets = scanner.integers();
    } else scanner.fail(`has an unknown field ${quoted(field)} in the tensor ${quoted(name)}`);
  });
  if (dtype === undefined || shape === undefined || offsets === undefined) {
    return scanner.fail(`lacks dtype, shape or data_offsets of the tensor ${quoted(name)}`);
  }
  if (offsets.length !== 2) scanner.fail(`has data_offsets that are no pair in the tensor ${quoted(name)}`);
  return { dtype, shape, dataOffsets: [offsets[0]!, offsets[1]!] };
}

/** A name from a file, for a message: JSON, and never a page of it. */
export function quoted(name: string): string {
  const json = JSON.stringify(name);
  return json.length > 80 ? `${json.slice(0, 77)}…"` : json;
}

/** Reads the few forms of JSON that a header has, one after the other. */
class Scanner {
  readonly #text: string;
  readonly #file: string;
  #position = 0;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  fail(what: string): never {
    throw new CheckpointError(
      `${this.#file} is not a valid safetensors file: its header ${what} (character ${this.#position}).`,
    );
  }

  /** An object; `onKey` is called after each key and its colon, and must read the value. */
  object(onKey: (key: string) => void): void {
    this.#expect('{');
    if (this.#accept('}')) return;
    do {
      const key = this.string();
      this.#expect(':');
      onKey(key);
    } while (this.#accept(','));
    this.#expect('}');
  }

  string(): string {
    this.#expect('"');
    const start = this.#position - 1;
    while (this.#position < this.#text.length && this.#text[this.#position] !== '"') {
      this.#position += this.#text[this.#position] === '\\' ? 2 : 1;
    }
    this.#expect('"');
    try {
      return JSON.parse(this.#text.slice(start, this.#position)) as string;
    } catch {
      return this.fail('has a string that is not JSON');
    }
  }

  /** A list of whole numbers, none too large to be exact. */
  integers(): number[] {
    this.#expect('[');
    const numbers: number[] = [];
    if (this.#accept(']')) return numbers;
    do {
      numbers.push(this.#integer());
    } while (this.#accept(','));
    this.#expect(']');
    return numbers;
  }

  end(): void {
    this.#skipSpace();
    if (this.#position < this.#text.length) this.fail('goes on after its closing }');
  }

  #integer(): number {
    this.#skipSpace();
    const start = this.#position;
    while (/^[0-9]$/.test(this.#text[this.#position] ?? '')) this.#position++;
    const digits = this.#text.slice(start, this.#position);
    if (digits === '' || (digits.length > 1 && digits[0] === '0')) this.fail('lacks a whole number');
    const value = Number(digits);
    if (!Number.isSafeInteger(value)) this.fail(`has a number too large for any file, ${quoted(digits)},`);
    return value;
  }

  #accept(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#position] !== character) return false;
    this.#position++;
    return true;
  }

  #expect(character: string): void {
    if (!this.#accept(character)) this.fail(`lacks a ${character}`);
  }

  #skipSpace(): void {
    while (' \t\n\r'.includes(this.#text[this.#position] ?? '.')) this.#position++;
  }
}
