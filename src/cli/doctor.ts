/** `couplet doctor`: what this machine offers, and whether its kernels compute what they should. */
import { collectDoctorReport } from '../node/doctor.ts';
import { formatDoctorReport } from '../node/doctor-text.ts';
import { selfTest } from '../self-test/self-test.ts';
import { adapterOption, command } from './arguments.ts';

export const doctorCommand = command({
  name: 'doctor',
  summary: 'Report adapters, limits and features, and test every kernel against a CPU reference',
  details: 'Exits with 0 where a device opens and every kernel is right, with 1 otherwise.',
  options: {
    json: { help: 'Print JSON' },
    adapter: adapterOption,
  },
  examples: [{ line: 'doctor' }, { line: 'doctor --adapter swiftshader --json' }],
  async run(_, { json, adapter }) {
    const report = await collectDoctorReport({ ...(adapter !== undefined && { adapter }), selfTest });
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : formatDoctorReport(report));
    if (!report.ok) process.exitCode = 1;
  },
});
