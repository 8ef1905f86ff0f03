/**
 * The recurrent cells by name. A new one needs a shader, a file beside this one and a line in this table (or
 * `cells.register`, as the tests do with theirs).
 */
import { ConfigError } from '../../errors.ts';
import type { Cell } from './cell.ts';
import { gruCell } from './gru-cell.ts';
import { gruResetBeforeCell } from './gru-reset-before-cell.ts';
import { lstmCell } from './lstm-cell.ts';
import { rnnCell } from './rnn-cell.ts';

/** What a configuration says of its cell. */
export interface CellChoice {
  readonly cell: string;
  /** Of cells that leave it open. */
  readonly nonlinearity?: string;
}

export type CellMaker = (choice: CellChoice) => Cell;

const makers = new Map<string, CellMaker>([
  ['lstm', () => lstmCell],
  ['gru', () => gruCell],
  ['gru_reset_before', () => gruResetBeforeCell],
  ['rnn', rnnCell],
]);

export const cells = {
  names(): string[] {
    return [...makers.keys()];
  },

  /** Throws ConfigError, naming the cells there are. */
  get(choice: CellChoice): Cell {
    const make = makers.get(choice.cell);
    if (make) return make(choice);
    throw new ConfigError(
      `no recurrent cell is called '${choice.cell}'; there are ${this.names().join(', ')}`,
    );
  },

  /** Makes a cell of one's own known. Throws ConfigError where the name is taken. */
  register(name: string, make: CellMaker): void {
    if (makers.has(name)) throw new ConfigError(`there is a recurrent cell called '${name}' already`);
    makers.set(name, make);
  },
};
