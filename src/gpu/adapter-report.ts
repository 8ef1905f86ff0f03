/**
 * What is known about the adapter a device was opened on: enough for a user to see which hardware runs their
 * model, for a run folder to say on what it was made (results are bit-equal only on one adapter, driver and
 * build), and for the command line to say how to get a faster one. A report is plain data that survives
 * `JSON.stringify`.
 */

/** Where a device came from; `adopted` is a device that the caller made and keeps. */
export type AdapterSource = 'browser' | 'adopted' | 'hardware' | 'system-software' | 'swiftshader';

export type AdapterReport = {
  /** Whether the work runs on a real GPU or is emulated on the CPU. */
  kind: 'hardware' | 'software';
  /** Short and human: `SwiftShader`, `lavapipe (llvmpipe)`, `NVIDIA H200`. */
  name: string;
  vendor: string;
  architecture: string;
  device: string;
  /** The driver's own words, with its version where it gives one. */
  description: string;
  /** `vulkan`, `metal`, `d3d12`, where it is known. */
  backend?: string;
  source: AdapterSource;
  /** Sorted; those the device was opened with, or those on offer where no device was opened. */
  features: string[];
  /** Those the device was opened with, or those on offer where no device was opened. */
  limits: Record<string, number>;
  /** How to get a faster adapter, in phrases that follow "To go faster:"; empty on hardware. */
  advice: string[];
};

/** The part of `GPUAdapterInfo` that is read; old browsers leave fields out. */
export type AdapterInfo = Partial<
  Pick<GPUAdapterInfo, 'vendor' | 'architecture' | 'device' | 'description' | 'isFallbackAdapter'>
>;

/** What both a `GPUAdapter` and a `GPUDevice` have. */
export type Offer = { readonly features: Iterable<string>; readonly limits: object };

/** Describes an adapter (what it offers) or an opened device (what it was opened with). */
export function reportAdapter(
  info: AdapterInfo,
  offer: Offer,
  source: AdapterSource,
  details: { backend?: string; advice?: readonly string[] } = {},
): AdapterReport {
  const kind = isSoftware(info) ? 'software' : 'hardware';
  return {
    kind,
    name: adapterName(info),
    vendor: info.vendor ?? '',
    architecture: info.architecture ?? '',
    device: info.device ?? '',
    description: info.description ?? '',
    ...(details.backend === undefined ? {} : { backend: details.backend }),
    source,
    features: [...offer.features].sort(),
    limits: limitsRecord(offer.limits),
    advice: kind === 'software' ? [...(details.advice ?? [])] : [],
  };
}

/** Names that software implementations of a GPU go by, for browsers and drivers that do not say it otherwise. */
const softwareNames = /swiftshader|llvmpipe|lavapipe|softpipe|basic.render|\bwarp\b|\bsoftware\b/i;

/** Whether an adapter emulates a GPU on the CPU. */
export function isSoftware(info: AdapterInfo): boolean {
  return info.isFallbackAdapter === true || softwareNames.test(everyWord(info));
}

function everyWord(info: AdapterInfo): string {
  return `${info.vendor ?? ''} ${info.architecture ?? ''} ${info.device ?? ''} ${info.description ?? ''}`;
}

/**
 * A short name. WebGPU normalises `info.device` to `nvidia-geforce-rtx-3090` (browsers mostly leave it empty), so
 * the words are put back together in the spelling their makers use.
 */
export function adapterName(info: AdapterInfo): string {
  const words = everyWord(info);
  if (/swiftshader/i.test(words)) return 'SwiftShader';
  if (/llvmpipe|lavapipe/i.test(words)) return 'lavapipe (llvmpipe)';
  if (/basic.render|\bwarp\b/i.test(words)) return 'Microsoft Basic Render Driver (WARP)';
  const normalised = info.device || [info.vendor, info.architecture].filter(Boolean).join('-');
  const spelled = normalised
    .split(/[-\s]+/)
    .filter((word) => word !== '' && !/^(r|tm|c)$/i.test(word)) // what is left of (R) and (TM)
    .map(spell)
    .join(' ');
  return spelled || info.description || 'an unnamed adapter';
}

const spellings: ReadonlyMap<string, string> = new Map([
  ['geforce', 'GeForce'],
  ['max', 'Max'],
  ['nvidia', 'NVIDIA'],
  ['pro', 'Pro'],
]);

function spell(word: string): string {
  const known = spellings.get(word.toLowerCase());
  if (known !== undefined) return known;
  // Model codes (`h200`, `rtx`, `uhd`) are capitals; `m1` and `gen12` too, which is how Apple and Intel write them.
  if (/\d/.test(word) || word.length <= 3) return word.toUpperCase();
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** The numeric limits as a plain record: `GPUSupportedLimits` has getters on its prototype and prints as `{}`. */
export function limitsRecord(limits: object): Record<string, number> {
  const record: Record<string, number> = {};
  for (const key in limits) {
    const value: unknown = (limits as Record<string, unknown>)[key];
    if (typeof value === 'number') record[key] = value;
  }
  return record;
}

/** One line for a terminal or a page: which adapter runs, and how to get a faster one. */
export function describeAdapter(report: AdapterReport): string {
  const how = report.kind === 'hardware' ? 'GPU' : 'software, on the CPU';
  const where = report.backend === undefined ? how : `${how}, ${report.backend}`;
  const advice = report.advice.length === 0 ? '' : `. To go faster: ${report.advice.join('; or ')}`;
  return `${report.name} (${where})${advice}`;
}
