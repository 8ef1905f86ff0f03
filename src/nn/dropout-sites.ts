/**
 * Every place that drops has a number of its own, so that no two masks of a step are the same stream. The numbers
 * are part of what makes a resumed run bit-equal: never renumber them.
 */

const sites = {
  'source embedding': 1,
  'target embedding': 2,
  attentional: 3,
  encoder: 0x100,
  decoder: 0x200,
};

export function dropoutSite(place: keyof typeof sites, layer = 0): number {
  return sites[place] + layer;
}
