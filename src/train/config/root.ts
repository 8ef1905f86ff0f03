/** The whole configuration: a name and the four sections of Joey NMT. */

import type { Section } from '../../nn/config/spec.ts';
import { section, text } from '../../nn/config/spec.ts';
import { type ModelConfig, type ModelType, modelSections } from '../../nn/model-config.ts';
import { dataSection } from './data-keys.ts';
import { testingSection } from './testing-keys.ts';
import { trainingSection } from './training-keys.ts';
import type { Config } from './types.ts';

/** The tree of all keys of a type of model, for runs that are called `name` unless their configuration says otherwise. */
export function rootSection(name: string, type: ModelType = 'seq2seq') {
  return section<Config>('', {
    name: text({
      default: name,
      matches: /^[\p{L}\p{N}_][\p{L}\p{N}\p{M}._ -]{0,99}$/u,
      allowed:
        'a name of letters, digits, `.`, `_`, `-` and spaces (100 at most) that starts with a letter or digit',
      doc: "The run's name, and by default its folder's name under `runs/`.",
    }),
    data: dataSection(type),
    model: modelSections[type] as Section<ModelConfig>,
    training: trainingSection,
    testing: testingSection(type),
  });
}

/** A name for the run of a configuration file: the file's own, without folder and extension. */
export function nameFromFile(file: string): string {
  const base = file.replace(/^.*[/\\]/, '').replace(/\.(ya?ml|json)$/i, '');
  const cleaned = base
    .replace(/[^\p{L}\p{N}\p{M}._ -]+/gu, '-')
    .replace(/^[^\p{L}\p{N}_]+/u, '')
    .slice(0, 100);
  return cleaned === '' ? 'model' : cleaned;
}
