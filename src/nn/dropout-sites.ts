/**
 * Every place that draws random numbers in a step has a number of its own, so that no two masks of a step are the same
 * stream. The numbers are part of what makes a resumed run bit-equal: never renumber them.
 */

const sites = {
  'source embedding': 1,
  'target embedding': 2,
  attentional: 3,
  'scheduled sampling': 4,
  'pooled states': 5,
  generation: 6,
  'character embedding': 7,
  encoder: 0x100,
  decoder: 0x200,
};

export function dropoutSite(place: keyof typeof sites, layer = 0): number {
  return sites[place] + layer;
}
