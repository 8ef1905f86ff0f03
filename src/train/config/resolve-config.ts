/** A configuration from a plain object: what a program writes instead of YAML. */
import { resolveSection, throwProblems } from '../../nn/config/resolve.ts';
import { asAnySection, type DeepPartial } from '../../nn/config/spec.ts';
import { type ModelConfig, type ModelType, modelTypeOf } from '../../nn/model-config.ts';
import { checkConfig } from './cross-checks.ts';
import { rootSection } from './root.ts';
import type { Config } from './types.ts';
import { explainUnknownKey } from './unknown-keys.ts';

/** What a program gives of a configuration; without `model.type` that of a `seq2seq`. */
export type PartialConfig<T extends ModelType = 'seq2seq'> = DeepPartial<Omit<Config, 'model'>> & {
  readonly model?: { readonly type?: T } & DeepPartial<Omit<ModelConfig<T>, 'type'>>;
};

/** What stands for the files of data that never was in one. */
const inMemory = '(in memory)';

/**
 * The configuration with every default filled in. Where `data.train` is not given the data is the program's:
 * `data.train` and `data.dev` then say so, and nothing is read.
 *
 * @throws ConfigError with every problem on a line of its own
 */
export function resolveConfig<T extends ModelType = 'seq2seq'>(given: PartialConfig<T> = {}): Config<T> {
  const data =
    given.data?.train === undefined ? { train: inMemory, dev: inMemory, ...given.data } : given.data;
  const root = rootSection('model', modelTypeOf(given.model));
  const explain = (path: readonly string[]) => explainUnknownKey(asAnySection(root), path);
  const problems: Parameters<typeof resolveSection>[3] = [];
  const config = resolveSection(root, { ...given, data }, [], problems, explain);
  throwProblems(problems);
  throwProblems(checkConfig(config));
  return config as Config<T>;
}
