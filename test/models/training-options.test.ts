/** What a configuration comes to in training beyond plain numbers: groups of parameters with frozen tables. */
import { expect, test } from 'vitest';
import { allGroups } from '../../src/models/training-options.ts';
import { parameterSpecs } from '../../src/nn/parameter-specs.ts';
import type { ParameterGroupOptions } from '../../src/optim/parameter-groups.ts';
import { resolveConfig } from '../../src/train/config/resolve-config.ts';

const table = 'encoder.embedding.weight';

function groupsOf(...parameter_groups: ParameterGroupOptions[]): ParameterGroupOptions[] {
  const embeddings = { freeze: true, unfreeze_epoch: 3 };
  const config = resolveConfig({
    model: { type: 'classifier', encoder: { embeddings } },
    training: { parameter_groups },
  });
  const specs = parameterSpecs(config.model, { source: 9, target: 2 });
  return allGroups(
    config,
    specs.map(({ name }) => name),
  );
}

test('a table that is released goes on at the rate of the group that names it', () => {
  const released = { pattern: table, frozen_epochs: 2, lr: 0.1 };
  const others = { pattern: 'encoder.*', lr: 0.1 };
  expect(groupsOf(others)).toEqual([released, others]);
});

test.each([table, 'encoder.embedding.*'])(
  'a group of the table alone (%s) is not left without parameters',
  (pattern) => {
    const last = { pattern: 'output.*', lr: 2 };
    expect(groupsOf({ pattern, lr: 0.1 }, last)).toEqual([
      { pattern: table, frozen_epochs: 2, lr: 0.1 },
      last,
    ]);
  },
);

test('a group of nothing stays, for the error that names it', () => {
  const misspelt = { pattern: 'encodr.*' };
  expect(groupsOf(misspelt)).toEqual([{ pattern: table, frozen_epochs: 2 }, misspelt]);
});
