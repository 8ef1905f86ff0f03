/**
 * What `couplet doctor` finds out: every adapter of this machine, the one that would be used and why, versions,
 * overrides, limits, the kernels' self-test, and what to do about whatever is wrong. A report is plain data;
 * `formatDoctorReport` (doctor-text.ts) prints it.
 */
import { existsSync } from 'node:fs';
import { arch, availableParallelism, cpus, release, totalmem } from 'node:os';
import { CoupletError } from '../errors.ts';
import type { AdapterReport } from '../gpu/adapter-report.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { SelfTestRow } from '../self-test/self-test.ts';
import { everyAdapter, type Machine } from './adapters.ts';
import { coupletVersion, findPackage } from './find-package.ts';
import { openOn, thisMachine, wantedAdapter } from './open-gpu.ts';
import { swiftShaderInstall, swiftShaderPackage } from './swiftshader.ts';
import { driverManifests } from './vulkan-loader.ts';

export type Finding = {
  /** An `error` is what keeps Couplet from running, or from being right; a `warning` slows it down. */
  severity: 'error' | 'warning';
  problem: string;
  /** What to do, where the problem does not say it itself. */
  remedy?: string;
};

export type DoctorReport = {
  /** A device opened and no self-test failed. */
  ok: boolean;
  versions: { couplet: string; node: string; webgpu?: string; swiftShaderPackage?: string };
  system: {
    platform: string;
    arch: string;
    release: string;
    cpu: string;
    cores: number;
    memoryBytes: number;
  };
  /** The variables that are set, of those that change which adapter is found. */
  environment: Record<string, string>;
  /** The manifests of installed Vulkan drivers; Linux only. */
  vulkanDrivers: string[];
  /** What was asked for: `auto` or an override. */
  wanted: string;
  /** Every adapter that Dawn accepts, with what it offers. */
  adapters: AdapterReport[];
  /** The one in use, with what the device was opened with. */
  chosen?: AdapterReport;
  selfTest: SelfTestRow[];
  findings: Finding[];
};

export type DoctorOptions = {
  /** As in `openGpu`. */
  adapter?: string;
  selfTest?: (gpu: Gpu) => Promise<SelfTestRow[]>;
  /** Another machine than this one, for tests. */
  machine?: () => Promise<Machine>;
};

const variables = [
  'COUPLET_ADAPTER',
  'COUPLET_CACHE',
  'XDG_CACHE_HOME',
  'VK_DRIVER_FILES',
  'VK_ICD_FILENAMES',
  'VK_ADD_DRIVER_FILES',
  'VK_LOADER_DRIVERS_SELECT',
  'VK_LOADER_DRIVERS_DISABLE',
  'DAWNNODE_BACKEND',
  'LD_LIBRARY_PATH',
];

/** Looks at this machine. Never rejects because something is wrong with it: that is what the findings are for. */
export async function collectDoctorReport(options: DoctorOptions = {}): Promise<DoctorReport> {
  const report = describeMachine(wantedAdapter(options.adapter));
  const { findings } = report;
  let gpu: Gpu | undefined;
  try {
    const machine = await (options.machine ?? thisMachine)();
    for await (const entry of everyAdapter(machine)) {
      if ('adapter' in entry) report.adapters.push(entry.offered);
      else findings.push(notFound(entry.looked, entry.problem));
    }
    gpu = await openOn(machine, report.wanted);
    report.chosen = gpu.report;
  } catch (error) {
    findings.push(failure(error));
  }
  if (gpu) {
    findings.push(...slow(gpu.report));
    if (options.selfTest) await runSelfTest(report, gpu, options.selfTest);
    gpu.dispose();
  }
  // What was missing matters less once there is a GPU, and most of all when there is nothing.
  if (report.chosen?.kind === 'hardware') {
    report.findings = findings.filter(({ severity }) => severity === 'error');
  }
  report.ok = report.chosen !== undefined && !report.findings.some(({ severity }) => severity === 'error');
  return report;
}

function describeMachine(wanted: string): DoctorReport {
  const webgpu = findPackage('webgpu')?.version;
  const swiftShader = findPackage(swiftShaderPackage)?.version;
  const vulkanDrivers = process.platform === 'linux' ? driverManifests() : [];
  const findings: Finding[] = vulkanDrivers
    .filter((manifest) => !existsSync(manifest))
    .map((manifest) => ({
      severity: 'warning',
      problem: `the environment names a Vulkan driver that is not there: ${manifest}`,
      remedy: 'unset or correct VK_DRIVER_FILES, VK_ICD_FILENAMES and VK_ADD_DRIVER_FILES',
    }));
  return {
    ok: false,
    versions: {
      couplet: coupletVersion(),
      node: process.versions.node,
      ...(webgpu === undefined ? {} : { webgpu }),
      ...(swiftShader === undefined ? {} : { swiftShaderPackage: swiftShader }),
    },
    system: {
      platform: process.platform,
      arch: arch(),
      release: release(),
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: availableParallelism(),
      memoryBytes: totalmem(),
    },
    environment: Object.fromEntries(
      variables.flatMap((name) => {
        const value = process.env[name];
        return value === undefined ? [] : [[name, value] as const];
      }),
    ),
    vulkanDrivers,
    wanted,
    adapters: [],
    selfTest: [],
    findings,
  };
}

function notFound(looked: string, problem: string): Finding {
  const isPackage = problem.includes(`${swiftShaderPackage} is not installed`);
  return {
    severity: 'warning',
    problem: `${looked}: ${problem}`,
    remedy: isPackage ? swiftShaderInstall : 'needed only where nothing better is found',
  };
}

function slow(report: AdapterReport): Finding[] {
  if (report.kind === 'hardware') return [];
  return [
    {
      severity: 'warning',
      problem: `${report.name} computes on the CPU, far below the speed of a GPU`,
      remedy: report.advice.join('; or '),
    },
  ];
}

async function runSelfTest(
  report: DoctorReport,
  gpu: Gpu,
  selfTest: NonNullable<DoctorOptions['selfTest']>,
): Promise<void> {
  const remedy =
    'results on this adapter cannot be trusted: update its driver, or use another (--adapter swiftshader), ' +
    'and report this with the output of "couplet doctor --json"';
  try {
    report.selfTest = await selfTest(gpu);
  } catch (error) {
    report.findings.push(failure(error, remedy));
    return;
  }
  for (const { kernel, case: name, maxError, tolerance, message } of report.selfTest.filter(
    ({ ok }) => !ok,
  )) {
    const problem =
      message ?? `error ${maxError.toExponential(1)}, at most ${tolerance.toExponential(1)} allowed`;
    report.findings.push({ severity: 'error', problem: `kernel ${kernel} (${name}): ${problem}`, remedy });
  }
}

/** Errors made for users say what to do; anything else is shown with where it came from. */
function failure(error: unknown, remedy?: string): Finding {
  let problem = String(error);
  if (error instanceof CoupletError) problem = error.message;
  else if (error instanceof Error) problem = error.stack ?? error.message;
  return { severity: 'error', problem, ...(remedy === undefined ? {} : { remedy }) };
}
