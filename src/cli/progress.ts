/** The progress of training: a bar with rate and time left on a terminal, plain lines elsewhere. */
import type { ProgressReport, Sample, TrainingReport, ValidationReport } from '../train/reports.ts';
import { shortScores } from './eval-text.ts';
import { printable } from './session.ts';

const barWidth = 24;
const redrawEvery = 100; // milliseconds

export class TrainingProgress {
  readonly #out: NodeJS.WriteStream;
  readonly #started = performance.now();
  #startedAt: number | undefined;
  #last: ProgressReport | undefined;
  #rate = 0;
  #drawn = 0;
  #hasBar = false;

  constructor(out: NodeJS.WriteStream = process.stderr) {
    this.#out = out;
  }

  /** After every update: moves the bar. */
  step(done: number): void {
    this.#startedAt ??= done;
    if (!this.#out.isTTY || performance.now() - this.#drawn < redrawEvery) return;
    this.#drawn = performance.now();
    const filled = Math.round(done * barWidth);
    const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled);
    const parts = [`${bar} ${(100 * done).toFixed(0).padStart(3)} %`, this.#summary(), this.#left(done)];
    this.#out.write(`\r\u001b[K${parts.filter((part) => part !== '').join('  ')}`);
    this.#hasBar = true;
  }

  report(report: TrainingReport): void {
    if (report.kind === 'progress') {
      this.#last = report;
      if (report.seconds > 0) this.#rate = report.tokens / report.seconds;
      if (!this.#out.isTTY)
        this.line(`${this.#position(report)}  ${this.#summary()}  ${this.#left(report.done)}`);
    } else if (report.kind === 'validation') {
      this.line(describeValidation(report));
      for (const sample of report.samples) this.line(describeSample(sample));
    }
  }

  /** A line of its own, above the bar. */
  line(text: string): void {
    if (this.#hasBar) this.#out.write('\r\u001b[K');
    this.#hasBar = false;
    this.#out.write(`${printable(text)}\n`);
  }

  end(): void {
    if (this.#hasBar) this.#out.write('\n');
    this.#hasBar = false;
  }

  #position({ epoch, update, done }: ProgressReport): string {
    return `epoch ${epoch}  update ${update}  ${(100 * done).toFixed(0)} %`;
  }

  #summary(): string {
    if (!this.#last) return '';
    const { loss, accuracy, learningRate, lossScale } = this.#last;
    const scale = lossScale === undefined ? '' : `  loss scale ${lossScale}`;
    const rate = `${Math.round(this.#rate).toLocaleString('en')} target tokens/s`;
    return `loss ${loss.toFixed(4)}  accuracy ${(100 * accuracy).toFixed(1)} %  lr ${learningRate.toPrecision(3)}${scale}  ${rate}`;
  }

  #left(done: number): string {
    const begun = this.#startedAt ?? 0;
    if (done <= begun || done >= 1) return '';
    const elapsed = (performance.now() - this.#started) / 1000;
    return `ETA ${formatSeconds((elapsed * (1 - done)) / (done - begun))}`;
  }
}

export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function describeValidation({
  epoch,
  update,
  loss,
  perplexity,
  accuracy,
  scores,
  best,
}: ValidationReport): string {
  // A class is the one token of its line: its accuracy is that of the classes, and perplexity says nothing more.
  const isClassifier = scores.accuracy !== undefined || scores.macro_f1 !== undefined;
  const parts = [
    `loss ${loss.toFixed(4)}`,
    ...(isClassifier ? [] : [`ppl ${perplexity.toFixed(3)}`]),
    `accuracy ${(100 * accuracy).toFixed(2)} %`,
    ...shortScores(scores, ['accuracy', 'token_accuracy']),
  ];
  return `validation after epoch ${epoch}, update ${update}: ${parts.join('  ')}${best ? '  (best so far)' : ''}`;
}

export function describeSample({ source, reference, hypothesis }: Sample): string {
  const mark = reference === hypothesis ? '✓' : '✗';
  return `  ${mark} ${source} → ${hypothesis}${reference === hypothesis ? '' : `   (reference: ${reference})`}`;
}
