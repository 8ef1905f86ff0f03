/**
 * Paths in a configuration are relative to the folder the configuration lies in, so that it means the same from
 * wherever it is used.
 */
import type { EmbeddingsConfig } from '../../nn/model-config.ts';
import type { Config, ModelConfig } from './types.ts';

/** The same configuration with its paths relative to where `folder` is, not to the folder itself. */
export function resolvePaths(config: Config, folder: string): Config {
  const join = (path: string) => joinPath(folder, path);
  const orNull = (path: string | null) => (path === null ? null : join(path));
  const { data, model, training } = config;
  return {
    ...config,
    data: {
      ...data,
      train: join(data.train),
      dev: orNull(data.dev),
      test: orNull(data.test),
      src: { ...data.src, voc_file: orNull(data.src.voc_file) },
      trg: { ...data.trg, voc_file: orNull(data.trg.voc_file) },
    },
    model: mapPretrained(model, join),
    training: {
      ...training,
      model_dir: orNull(training.model_dir),
      load_model: orNull(training.load_model),
      load_decoder: orNull(training.load_decoder),
    },
  };
}

/** The files of pre-trained vectors, in whichever parts the model has. */
function mapPretrained(model: ModelConfig, join: (path: string) => string): ModelConfig {
  const moved = <Part extends { readonly embeddings: EmbeddingsConfig }>(part: Part): Part => {
    const { load_pretrained: path } = part.embeddings;
    return path === null
      ? part
      : { ...part, embeddings: { ...part.embeddings, load_pretrained: join(path) } };
  };
  return {
    ...model,
    ...('encoder' in model && { encoder: moved(model.encoder) }),
    ...('decoder' in model && { decoder: moved(model.decoder) }),
  } as ModelConfig;
}

/** `path` seen from where `folder` is seen from; absolute paths and URLs stay as they are. */
export function joinPath(folder: string, path: string): string {
  const absolute = /^([/\\]|[A-Za-z]:[/\\]|[A-Za-z][A-Za-z0-9+.-]+:\/\/)/.test(path);
  if (absolute || folder === '' || folder === '.') return path;
  return `${folder.replace(/[/\\]+$/, '')}/${path.replace(/^(\.\/)+/, '')}`;
}
