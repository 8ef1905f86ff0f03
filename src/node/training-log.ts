/**
 * The training log: one JSON object per line, appended as training goes. A crash can leave half a line at the end;
 * readers skip it, and whoever goes on writing cuts it off first.
 */
import { appendFile } from 'node:fs/promises';
import { fileError, readFileWhole, writeFileAtomic } from './atomic-files.ts';

/** What is logged: any JSON, most often with the `step` (updates done) it belongs to. */
export type LogRecord = { readonly step?: number } & Readonly<Record<string, unknown>>;

export interface LogContent {
  readonly records: readonly LogRecord[];
  /** Line numbers, from 1, of what is not a JSON object. */
  readonly damagedLines: readonly number[];
}

/** Adds a line. Numbers that are not finite become null. */
export async function appendLogLine(path: string, record: LogRecord): Promise<void> {
  try {
    await appendFile(path, `${JSON.stringify(record)}\n`);
  } catch (cause) {
    throw fileError('write', path, cause);
  }
}

export async function readLog(path: string): Promise<LogContent> {
  const text = new TextDecoder().decode(await readFileWhole(path));
  const records: LogRecord[] = [];
  const damagedLines: number[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const record = parseLine(line);
    if (record) records.push(record);
    else damagedLines.push(index + 1);
  }
  return { records, damagedLines };
}

/**
 * Takes the log back to where it was after update `step`: cuts off a half line, damaged lines and the records of
 * later steps. Records without a step stay.
 */
export async function truncateLog(path: string, step: number): Promise<void> {
  const { records } = await readLog(path);
  const kept = records.filter((record) => typeof record.step !== 'number' || record.step <= step);
  await writeFileAtomic(path, kept.map((record) => `${JSON.stringify(record)}\n`).join(''));
}

function parseLine(line: string): LogRecord | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as LogRecord)
      : undefined;
  } catch {
    return undefined;
  }
}
