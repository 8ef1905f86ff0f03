/** Sizes that callers give. */

import { ConfigError } from '../errors.ts';

/** The value. Throws ConfigError naming what it is if it is not a positive integer. */
export function positiveInteger(name: string, value: number): number {
  if (!(Number.isSafeInteger(value) && value > 0)) {
    throw new ConfigError(`${name} must be a positive integer, not ${value}.`);
  }
  return value;
}
