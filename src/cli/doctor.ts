/** `couplet doctor`: what this machine offers, and whether its kernels compute what they should. */
import { collectDoctorReport } from '../node/doctor.ts';
import { formatDoctorReport } from '../node/doctor-text.ts';
import type { AdapterOption } from './session.ts';

export interface DoctorCommandOptions extends AdapterOption {
  readonly json?: boolean;
}

export async function runDoctor(options: DoctorCommandOptions): Promise<void> {
  const report = await collectDoctorReport(
    options.adapter === undefined ? {} : { adapter: String(options.adapter) },
  );
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : formatDoctorReport(report));
}
