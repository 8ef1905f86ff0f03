/** What to say about a key that does not exist: where the thing it names lives, or what was probably meant. */
import { nearest } from '../../nn/config/nearest.ts';
import { pathText } from '../../nn/config/resolve.ts';
import type { AnySection } from '../../nn/config/spec.ts';
import { asAnySection, isSection, type Section } from '../../nn/config/spec.ts';
import { type ModelConfig, type ModelType, modelSections, modelTypes } from '../../nn/model-config.ts';
import { foreignNames } from './foreign-names.ts';

/** Every key and section of a tree, by its path. */
export function* allPaths(section: AnySection, path: readonly string[] = []): Generator<string[]> {
  for (const [key, entry] of Object.entries(section.keys)) {
    const here = [...path, key];
    yield here;
    if (isSection(entry)) yield* allPaths(entry, here);
  }
}

/**
 * A message about the unknown key at `path`. In turn: a key of another type of model, the same name in another section, a name of OpenNMT or
 * Joey NMT, a name like it in the same section, and one like it anywhere; or, failing all, undefined.
 */
export function explainUnknownKey(root: AnySection, path: readonly string[]): string | undefined {
  const unknown = `Unknown key ${pathText(path)}`;
  const name = path.at(-1)!;
  const paths = [...allPaths(root)];

  const others = path[0] === 'model' ? typesWith(path.slice(1)) : [];
  if (others.length > 0) {
    const own = modelTypes.find((type) => sectionOf(type) === root.keys.model);
    return `${unknown}: a ${own} has no such key, but ${others.join(', ')} ${others.length > 1 ? 'have' : 'has'}; see \`model.type\`.`;
  }

  const elsewhere = paths.filter((known) => known.at(-1) === name);
  if (elsewhere.length > 0) return `${unknown}: \`${name}\` belongs in ${sectionsOf(elsewhere)}.`;

  const foreign = foreignNames.get(name.toLowerCase().replaceAll('-', '_'));
  if (foreign) {
    const note = foreign.note === undefined ? '' : ` (${foreign.note})`;
    const here =
      foreign.here.length === 0
        ? `has no counterpart here${note}`
        : `is ${foreign.here.map((key) => `\`${key}\``).join(' and ')} here${note}`;
    return `${unknown}: ${foreign.from}'s \`${name}\` ${here}.`;
  }

  const parent = path.slice(0, -1).join('.');
  const siblings = paths
    .filter((known) => known.slice(0, -1).join('.') === parent)
    .map((known) => known.at(-1)!);
  const sibling = nearest(name, siblings);
  if (sibling !== undefined) return `${unknown}: did you mean ${pathText([...path.slice(0, -1), sibling])}?`;

  const similar = nearest(name, new Set(paths.map((known) => known.at(-1)!)));
  if (similar === undefined) return undefined;
  const meant = paths.filter((known) => known.at(-1) === similar);
  return `${unknown}: did you mean ${meant.map(pathText).join(' or ')}?`;
}

const sectionOf = (type: ModelType) => asAnySection(modelSections[type] as Section<ModelConfig>);

/** The types of model whose section has a key, given by its path in it. */
function typesWith(path: readonly string[]): ModelType[] {
  const wanted = path.join('.');
  return modelTypes.filter((type) =>
    [...allPaths(sectionOf(type))].some((known) => known.join('.') === wanted),
  );
}

function sectionsOf(paths: readonly (readonly string[])[]): string {
  const sections = paths.map((path) => (path.length === 1 ? 'the top level' : pathText(path.slice(0, -1))));
  return sections.join(' or ');
}
