/**
 * Paths in a configuration are relative to the folder the configuration lies in, so that it means the same from
 * wherever it is used.
 */
import type { Config } from './types.ts';

/** The same configuration with its paths relative to where `folder` is, not to the folder itself. */
export function resolvePaths(config: Config, folder: string): Config {
  const join = (path: string) => joinPath(folder, path);
  const orNull = (path: string | null) => (path === null ? null : join(path));
  const { data, training } = config;
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
    training: {
      ...training,
      model_dir: orNull(training.model_dir),
      load_model: orNull(training.load_model),
    },
  };
}

/** `path` seen from where `folder` is seen from; absolute paths and URLs stay as they are. */
export function joinPath(folder: string, path: string): string {
  const absolute = /^([/\\]|[A-Za-z]:[/\\]|[A-Za-z][A-Za-z0-9+.-]+:\/\/)/.test(path);
  if (absolute || folder === '' || folder === '.') return path;
  return `${folder.replace(/[/\\]+$/, '')}/${path.replace(/^(\.\/)+/, '')}`;
}
