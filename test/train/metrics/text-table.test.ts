import { describe, expect, it } from 'vitest';
import { textTable } from '../../../src/train/metrics/text-table.ts';

describe('textTable', () => {
  it('counts code points, and leaves no space at the ends', () => {
    expect(textTable([['𠀀', 'x'], ['ab', '10', 'z'], ['']])).toEqual(['𠀀    x', 'ab  10  z', '']);
    expect(textTable([])).toEqual([]);
  });
});
