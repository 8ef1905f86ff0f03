/** The report of `couplet doctor` as text for a terminal. */
import { formatBytes } from '../gpu/gpu.ts';
import { portableLimits } from '../gpu/request-device.ts';
import type { SelfTestRow } from '../self-test/self-test.ts';
import type { DoctorReport } from './doctor.ts';
import { swiftShaderPackage } from './swiftshader.ts';

export function formatDoctorReport(report: DoctorReport): string {
  const sections = [
    machineLines(report),
    adapterLines(report),
    featureLines(report),
    limitLines(report),
    selfTestLines(report.selfTest),
    findingLines(report),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function machineLines({ versions, system, environment, vulkanDrivers }: DoctorReport): string[] {
  const packages = [
    `Couplet ${versions.couplet}`,
    `Node ${versions.node}`,
    `webgpu ${versions.webgpu ?? '(not installed)'}`,
    `${swiftShaderPackage} ${versions.swiftShaderPackage ?? '(not installed)'}`,
  ];
  const lines = [
    packages.join(', '),
    `${system.platform} ${system.arch} ${system.release}, ${system.cores} cores (${system.cpu}), ` +
      formatBytes(system.memoryBytes),
  ];
  for (const [name, value] of Object.entries(environment)) lines.push(`${name}=${value}`);
  if (vulkanDrivers.length > 0) lines.push(`Vulkan drivers: ${vulkanDrivers.join(', ')}`);
  return lines;
}

function adapterLines({ adapters, chosen, wanted }: DoctorReport): string[] {
  const rows = adapters.map((adapter) => {
    const mark = adapter.name === chosen?.name && adapter.source === chosen.source ? '*' : ' ';
    return [mark, adapter.name, adapter.kind, adapter.backend ?? '', adapter.description];
  });
  const title = `Adapters (asked for: ${wanted}; * is used)`;
  return [title, ...(rows.length > 0 ? columns(rows) : ['  none'])];
}

function featureLines({ chosen }: DoctorReport): string[] {
  if (!chosen) return [];
  return ['Features in use', `  ${chosen.features.join(', ') || 'none'}`];
}

/** The limits that Couplet runs into: what the device was opened with, and what any device has. */
function limitLines({ chosen }: DoctorReport): string[] {
  if (!chosen) return [];
  const rows = Object.entries(portableLimits).map(([limit, everywhere]) => {
    const show = limit.endsWith('Size') ? formatBytes : String;
    const value = chosen.limits[limit];
    return ['', limit, value === undefined ? 'unknown' : show(value), show(everywhere)];
  });
  return ['Limits', ...columns([['', '', 'this device', 'every device'], ...rows])];
}

function selfTestLines(rows: readonly SelfTestRow[]): string[] {
  if (rows.length === 0) return [];
  const failed = rows.filter(({ ok }) => !ok).length;
  const verdict = failed === 0 ? `all ${rows.length} passed` : `${failed} of ${rows.length} failed`;
  const table = rows.map(({ kernel, case: name, maxError, tolerance, ok, message }) => [
    ok ? '' : 'FAILED',
    kernel,
    name,
    `error ${maxError.toExponential(1)}`,
    `of ${tolerance.toExponential(1)}`,
    message ?? '',
  ]);
  return [`Kernels against the CPU reference: ${verdict}`, ...columns(table)];
}

function findingLines({ findings, ok }: DoctorReport): string[] {
  const verdict = ok ? 'Couplet runs here.' : 'Couplet does not run properly here.';
  const lines = findings.flatMap(({ severity, problem, remedy }) => [
    `${severity}: ${problem.replaceAll('\n', '\n  ')}`,
    ...(remedy === undefined ? [] : [`  what to do: ${remedy}`]),
  ]);
  return [verdict, ...lines];
}

/** Left-aligned columns, two spaces apart. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  );
}
