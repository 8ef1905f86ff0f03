/** What to tell the owner of a slow adapter, or of none: what is installed how on their system. */
import { AdapterError } from '../errors.ts';
import type { AdapterReport } from '../gpu/adapter-report.ts';
import { swiftShaderInstall, swiftShaderPackage } from './swiftshader.ts';

export type System = { platform: NodeJS.Platform; arch: string };
/** Something that was looked for in vain, and why. */
export type Missing = { looked: string; problem: string };

const mesaInstall =
  'apt-get install -t bookworm-backports mesa-vulkan-drivers libvulkan1 (Debian 12 with bookworm-backports in its ' +
  'sources) or apt-get install mesa-vulkan-drivers libvulkan1 (Debian 13)';

/** How the owner of a software adapter gets a faster one, in phrases that follow "To go faster:". */
export function fasterThan(system: System, wanted: string, { kind, name }: AdapterReport): string[] {
  if (kind === 'hardware') return [];
  if (system.platform !== 'linux') return ['use a machine with a GPU, or update its driver'];
  const advice: string[] = [];
  if (wanted !== 'auto')
    advice.push('leave out --adapter and COUPLET_ADAPTER to get the best adapter there is');
  advice.push('use a machine with a GPU and its Vulkan driver');
  if (name === 'SwiftShader') {
    advice.push(
      `install lavapipe of Mesa 25 or newer, software too but several times faster: ${mesaInstall}`,
    );
  }
  return advice;
}

/** What a search that opened nothing says: what was tried, why each failed, and what to do. */
export function nothingOpened(system: System, wanted: string, tried: readonly Missing[]): AdapterError {
  return new AdapterError(
    [
      `no WebGPU adapter could be opened (asked for "${wanted}"). Looked for`,
      ...tried.map(({ looked, problem }) => `  - ${looked}: ${problem}`),
      'What to do:',
      ...remedies(system, wanted, tried).map((remedy) => `  - ${remedy}`),
    ].join('\n'),
  );
}

function remedies(system: System, wanted: string, tried: readonly Missing[]): string[] {
  const some = '"couplet doctor" lists the adapters there are; "auto" takes the best of them';
  const isName = !['auto', 'hardware', 'system', 'lavapipe', 'swiftshader'].includes(wanted);
  if (isName) return [some];
  if (system.platform !== 'linux')
    return ["update the GPU's driver: on this system nothing else can be used", some];
  const problems = tried.map(({ problem }) => problem).join('\n');
  const steps: string[] = [];
  if (wanted === 'auto' || wanted === 'hardware') {
    steps.push('for a GPU: install its driver with Vulkan and, if that is missing, the package libvulkan1');
  }
  if (system.arch === 'x64' && problems.includes(`${swiftShaderPackage} is not installed`)) {
    steps.push(`for a software adapter from npm: ${swiftShaderInstall}`);
  }
  if (wanted !== 'hardware' && wanted !== 'swiftshader')
    steps.push(`for lavapipe, the fastest software adapter (Mesa 25 or newer): ${mesaInstall}`);
  return wanted === 'auto' ? steps : [...steps, some];
}
