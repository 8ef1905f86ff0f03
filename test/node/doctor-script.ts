/** A process that collects and prints the doctor's report as JSON, then as text, and ends by itself. */
import { collectDoctorReport } from '../../src/node/doctor.ts';
import { formatDoctorReport } from '../../src/node/doctor-text.ts';

const [adapter] = process.argv.slice(2);
const report = await collectDoctorReport(adapter ? { adapter } : {});
console.log(JSON.stringify(report));
console.log(formatDoctorReport(report));
process.exitCode = report.ok ? 0 : 1;
