/**
 * The header of a `.npy` file: a Python dictionary such as
 * `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`. It is read by hand and strictly, since what evaluates
 * Python may run anything, and what is put through regular expressions into JSON may mean anything.
 */

export interface NpyHeader {
  /** NumPy's type of the elements, such as `<f4`. */
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

/** @param fail throws, saying what is wrong with the file. */
export function parseNpyHeader(text: string, fail: (what: string) => never): NpyHeader {
  const scanner = new Scanner(text, fail);
  let descr: string | undefined;
  let fortranOrder: boolean | undefined;
  let shape: number[] | undefined;
  scanner.expect('{');
  while (!scanner.accept('}')) {
    const key = scanner.string();
    const twice = () => scanner.fail(`gives ${key} twice`);
    scanner.expect(':');
    if (key === 'descr') {
      if (descr !== undefined) twice();
      if (scanner.sees('['))
        fail('its elements are records of several fields, and one number each is needed');
      descr = scanner.string();
    } else if (key === 'fortran_order') {
      if (fortranOrder !== undefined) twice();
      fortranOrder = scanner.boolean();
    } else if (key === 'shape') {
      if (shape !== undefined) twice();
      shape = scanner.tuple();
    } else scanner.fail('has an unknown key');
    if (!scanner.accept(',') && !scanner.sees('}')) scanner.fail('lacks a comma');
  }
  scanner.end();
  if (descr === undefined || fortranOrder === undefined || shape === undefined) {
    return scanner.fail('lacks descr, fortran_order or shape');
  }
  return { descr, fortranOrder, shape };
}

/** Reads the few forms of Python that a header has, one after the other. */
class Scanner {
  readonly #text: string;
  readonly #fail: (what: string) => never;
  #position = 0;

  constructor(text: string, fail: (what: string) => never) {
    this.#text = text;
    this.#fail = fail;
  }

  fail(what: string): never {
    return this.#fail(`its header ${what} (character ${this.#position})`);
  }

  /** Whether this character comes next. */
  sees(character: string): boolean {
    while (this.#text[this.#position] === ' ') this.#position++;
    return this.#text[this.#position] === character;
  }

  accept(character: string): boolean {
    if (!this.sees(character)) return false;
    this.#position++;
    return true;
  }

  expect(character: string): void {
    if (!this.accept(character)) this.fail(`lacks ${character}`);
  }

  /** A string without escapes, in either of Python's quotes. */
  string(): string {
    const quote = this.sees('"') ? '"' : "'";
    this.expect(quote);
    const end = this.#text.indexOf(quote, this.#position);
    const content = this.#text.slice(this.#position, end);
    if (end < 0 || content.includes('\\')) this.fail('has a string that is not read');
    this.#position = end + 1;
    return content;
  }

  boolean(): boolean {
    this.sees('');
    for (const [word, value] of [
      ['True', true],
      ['False', false],
    ] as const) {
      if (!this.#text.startsWith(word, this.#position)) continue;
      this.#position += word.length;
      return value;
    }
    return this.fail('lacks True or False');
  }

  /** A tuple of lengths: `()`, `(3,)`, `(3, 4)`; with Python 2's `3L`. */
  tuple(): number[] {
    const lengths: number[] = [];
    this.expect('(');
    while (!this.accept(')')) {
      lengths.push(this.#length());
      const comma = this.accept(',');
      // (3) is a number and no tuple.
      if (!comma && (lengths.length === 1 || !this.sees(')'))) this.fail('lacks a comma');
    }
    return lengths;
  }

  #length(): number {
    this.sees('');
    const start = this.#position;
    while (/^[0-9]$/.test(this.#text[this.#position] ?? '')) this.#position++;
    const value = Number(this.#text.slice(start, this.#position));
    if (this.#position === start || !Number.isSafeInteger(value)) this.fail('has no length of a dimension');
    this.accept('L');
    return value;
  }

  /** Nothing but padding and the line end may follow. */
  end(): void {
    this.sees('');
    this.accept('\n');
    if (this.#position !== this.#text.length) this.fail('goes on after its dictionary');
  }
}
