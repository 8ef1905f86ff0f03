/** A trained model from wherever its files are: in memory, or below a URL. */
import { decodeText } from '../data/text.ts';
import { CheckpointError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { parseConfig } from '../train/config/parse.ts';
import { type AnyModel, modelFromFiles } from './kinds.ts';
import { type ModelFiles, modelFileNames, namesOfFiles } from './model-files.ts';

/** What `save()` gave, or the URL of a folder with these files, such as a run folder that is served. */
export type ModelSource = ReadonlyMap<string, Uint8Array> | string | URL;

/**
 * The model of a `Map` of files, or of those below a URL (a relative one counts from the page). Its `type` tells which
 * one it is; who knows may name it: `load<Seq2Seq>(gpu, url)`.
 * @throws CheckpointError or ConfigError naming the file that is missing, damaged or of another model
 */
export async function load<M extends AnyModel = AnyModel>(gpu: Gpu, from: ModelSource): Promise<M> {
  if (typeof from !== 'string' && !(from instanceof URL)) return modelFromFiles(gpu, from) as M;
  return modelFromFiles(gpu, await fetchModel(from), String(from)) as M;
}

/** The files of a model below a URL, as `save()` would give them. */
export async function fetchModel(folder: string | URL): Promise<ModelFiles> {
  const fetchFile = async (name: string) => {
    const url = fileUrl(folder, name);
    const response = await fetch(url).catch((cause) => {
      throw new CheckpointError(`${url} cannot be fetched: ${(cause as Error).message}`, { cause });
    });
    if (!response.ok) {
      throw new CheckpointError(`${url} cannot be fetched: ${response.status} ${response.statusText}`);
    }
    return [name, new Uint8Array(await response.arrayBuffer())] as const;
  };
  const [name, bytes] = await fetchFile(modelFileNames.config);
  const config = parseConfig(decodeText(bytes, name), { source: `${folder}: ${name}` });
  const others = namesOfFiles(config).filter((other) => other !== name);
  return new Map([[name, bytes], ...(await Promise.all(others.map(fetchFile)))]);
}

/** The URL of a file in a folder whose own URL may lack the slash at its end, and may have a query. */
function fileUrl(folder: string | URL, name: string): URL {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  let url: URL;
  try {
    url = new URL(folder, base);
  } catch (cause) {
    throw new CheckpointError(`'${folder}' is not a URL to load a model from`, { cause });
  }
  url.pathname = `${url.pathname.replace(/\/$/, '')}/${name}`;
  return url;
}
