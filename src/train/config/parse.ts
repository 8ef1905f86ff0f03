/**
 * From the text of a configuration to a `Config`, and back. Problems are reported all at once, each with the
 * file, line and column it stands at.
 */
import type { Document, Node, ParsedNode } from 'yaml';
import { isAlias, isMap, isScalar, LineCounter, parseDocument, stringify } from 'yaml';
import { ConfigError } from '../../errors.ts';
import type { Problem } from '../../nn/config/resolve.ts';
import { resolveSection } from '../../nn/config/resolve.ts';
import { asAnySection } from '../../nn/config/spec.ts';
import { modelTypeOf } from '../../nn/model-config.ts';
import { checkConfig } from './cross-checks.ts';
import type { Override } from './overrides.ts';
import { applyOverride, parseOverride } from './overrides.ts';
import { nameFromFile, rootSection } from './root.ts';
import type { Config } from './types.ts';
import { explainUnknownKey } from './unknown-keys.ts';

export interface ParseOptions {
  /** The file's name, for messages and as the run's default name. */
  readonly source?: string;
  /** `training.batch_size=32`: set after the text is read, the value being YAML. */
  readonly overrides?: readonly string[];
}

/** Repeated references let a small text stand for a huge one; no honest configuration comes near this. */
const MAX_ALIASES = 100;
const MAX_PROBLEMS_SHOWN = 20;

/**
 * Reads a configuration, checks every key and how the keys fit together, and fills in the defaults. Paths stay
 * as written: see `resolvePaths`.
 *
 * @throws ConfigError with every problem on a line of its own
 */
export function parseConfig(yamlText: string, options: ParseOptions = {}): Config {
  const { source = 'config', overrides = [] } = options;
  const lines = new LineCounter();
  const document = parseDocument(yamlText, {
    lineCounter: lines,
    merge: true,
    prettyErrors: false,
    logLevel: 'error',
  });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${source}:${line}:${col}`;
  };
  const [syntaxError] = document.errors;
  if (syntaxError)
    throw new ConfigError(`${at(syntaxError.pos[0])}: not YAML: ${firstLine(syntaxError.message)}`);

  const settings = overrides.map(parseOverride);
  const given = settings.reduce(applyOverride, contentsOf(document, source));
  const problems: Problem[] = [];
  const root = rootSection(nameFromFile(source), modelTypeOf(given.model));
  const explain = (path: readonly string[]) => explainUnknownKey(asAnySection(root), path);
  const config = resolveSection(root, given, [], problems, explain);
  if (problems.length === 0) problems.push(...checkConfig(config));
  if (problems.length === 0) return config;

  const located = problems.map(
    (problem) => `${locate(problem, document, settings, at, source)}: ${problem.message}`,
  );
  const shown = located.slice(0, MAX_PROBLEMS_SHOWN);
  if (located.length > shown.length) shown.push(`… and ${located.length - shown.length} more.`);
  throw new ConfigError(shown.join('\n'));
}

/** The configuration as YAML with every key; `parseConfig` of it gives the same configuration. */
export function formatConfig(config: Config): string {
  return stringify(config, { lineWidth: 0, aliasDuplicateObjects: false });
}

function contentsOf(document: Document.Parsed, source: string): Record<string, unknown> {
  if (document.contents === null) return {};
  if (!isMap(document.contents)) {
    throw new ConfigError(
      `${source}: a configuration has the sections data, model, training and testing; this is no such thing.`,
    );
  }
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES }) as Record<string, unknown>;
  } catch (cause) {
    throw new ConfigError(`${source}: ${firstLine(String((cause as Error).message))}`, { cause });
  }
}

/** Where a problem stands: its key or value, or the nearest section around it that the text has. */
function locate(
  { path, at: which }: Problem,
  document: Document.Parsed,
  overrides: readonly Override[],
  at: (offset: number) => string,
  source: string,
): string {
  const override = overrides.findLast(({ path: set }) => set.every((key, i) => path[i] === key));
  if (override) return `--set ${override.text}`;
  let node: Node | null | undefined = document.contents;
  let place: number | undefined;
  for (const [depth, key] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (!isMap(node)) break;
    const pair = node.items.find((item) => (isScalar(item.key) ? String(item.key.value) === key : false));
    if (!pair) break;
    const isLast = depth === path.length - 1;
    const value = pair.value as ParsedNode | null;
    const point = isLast && which === 'value' && value?.range ? value : (pair.key as ParsedNode);
    place = point.range[0];
    node = value;
  }
  return place === undefined ? source : at(place);
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]!;
}
