/**
 * Linear-chain conditional random field (Lafferty et al. 2001; over a BiLSTM's emissions Lample et al. 2016): the loss
 * of tag sequences. The steps of a row depend on each other, its tags within a step do not: a dispatch a step, forward
 * and backward, as in a recurrent layer. The formulas are in the shader's header.
 */
import { ShapeError } from '../errors.ts';
import { linearGroups, type Tape } from '../scheduler/tape.ts';
import { expectShape, type Tensor } from '../scheduler/tensor.ts';
import { recordColumnSumRows } from './column-sum.ts';
import { recordCopy } from './copy.ts';
import { recordLossTerms, statisticsSize } from './cross-entropy.ts';
import { type CrfScores, crfDecode, crfSizes } from './viterbi.ts';

export { type CrfScores, crfDecode } from './viterbi.ts';

export interface CrfLossOptions extends CrfScores {
  /**
   * u32 [T, B]. One that is not below C (a label that training never saw) stands for the tag with the largest emission
   * there and never counts as correct. Beyond a row's length anything may stand.
   */
  readonly tags: Tensor;
  /** f32 [1], written by the host: what the gradient of the summed loss is multiplied by. */
  readonly scale: Tensor;
  /** f32 [8], persistent: see `statistic` in `cross-entropy.ts`; added to at every run. */
  readonly statistics: Tensor;
}

/** Terms (an exponential each) of one dispatch of `pairs`, so that none takes more than some tenths of a second. */
const maxTerms = { software: 2 ** 22, hardware: 2 ** 27 };

/** The pairs' sum has a workgroup for every 16 of them, and a grid's dimension 65,535. */
const mostTags = 1023;

/**
 * Adds to `statistics` the negative log-likelihood of the rows' tags, summed over the rows (as loss and as nll), the
 * number of positions, and how many of them Viterbi's best path tags as given. In training it leaves behind the
 * backward pass of `scale` × that loss and needs no gradient from later ops: `tape.backward()` starts here. The
 * gradients of the emissions and of the three parameters follow. A row of length 0 adds nothing.
 *
 * @throws ShapeError where the tensors do not fit together, or the tags are more than 1023
 */
export function crfLoss(tape: Tape, options: CrfLossOptions): void {
  const { emissions, tags: labels, lengths, transitions, start, end, scale, statistics } = options;
  const [steps, batch, tags] = crfSizes(options);
  if (tags > mostTags) throw new ShapeError(`crf: ${tags} tags are more than ${mostTags}`);
  expectShape(labels, steps, batch);
  if (labels.dtype !== 'u32') throw new ShapeError(`crf: ${labels} must hold u32 tags`);
  expectShape(scale, 1);
  expectShape(statistics, statisticsSize);

  const params = { steps, batch, tags, step: 0, stop: 0, accumulate: 0 } as const;
  const grid = (size: number, more: Partial<Record<keyof typeof params, number>> = {}) => {
    const { groups, stride } = linearGroups(size, 64);
    return { params: { ...params, ...more, stride }, workgroups: groups };
  };
  const golden = tape.tensor('crf gold', [steps, batch], { dtype: 'u32' });
  const gains = tape.tensor('crf gains', [steps, batch]);
  const arrivals = tape.tensor('crf arrivals', [steps, batch, tags]);
  const peaks = tape.tensor('crf peaks', [steps, batch]);
  const norms = tape.tensor('crf norms', [batch]);
  const terms = tape.tensor('crf loss terms', [batch, 4]);
  tape.dispatch('crf', 'gold', {
    bindings: { emissions, tags: labels, lengths, transitions, start, end, golden, gains },
    ...grid(steps * batch),
  });
  for (let step = 0; step < steps; step++) {
    tape.dispatch('crf', 'forward', {
      bindings: { emissions, lengths, transitions, start, arrivals, peaks },
      ...grid(batch * tags, { step }),
    });
  }
  tape.dispatch('crf', 'finish', {
    bindings: { emissions, lengths, end, gains, arrivals, peaks, norms, terms },
    ...grid(batch),
  });
  const { tags: path } = crfDecode(tape, options);
  tape.dispatch('crf', 'count', { bindings: { tags: labels, lengths, path, terms }, ...grid(batch) });
  recordLossTerms(tape, terms, statistics);

  tape.onBackward(() => {
    const toEmissions = tape.gradientTarget(emissions);
    const toTransitions = tape.gradientTarget(transitions);
    const toStart = tape.gradientTarget(start);
    const toEnd = tape.gradientTarget(end);
    if (!toEmissions && !toTransitions && !toStart && !toEnd) return;
    const marginals = tape.tensor('crf marginals', [steps, batch, tags]);
    for (let step = steps - 1; step >= 0; step--) {
      tape.dispatch('crf', 'backward', {
        bindings: { emissions, lengths, transitions, end, arrivals, peaks, norms, marginals },
        ...grid(batch * tags, { step }),
      });
    }
    if (toTransitions) {
      // Each row's part first, then their sum: no float atomics, and one order.
      const size = batch * tags * tags;
      const partial = tape.tensor('crf pairs', [batch, tags * tags]);
      const limit = tape.software ? maxTerms.software : maxTerms.hardware;
      const stepsAtOnce = Math.max(1, Math.floor(limit / size));
      for (let step = 1; step === 1 || step < steps; step += stepsAtOnce) {
        const part = { step, stop: Math.min(steps, step + stepsAtOnce), accumulate: step > 1 ? 1 : 0 };
        tape.dispatch('crf', 'pairs', {
          bindings: { emissions, transitions, golden, arrivals, peaks, marginals, scale, partial },
          ...grid(size, part),
        });
      }
      const rows = { tensor: partial, offset: 0, row: tags * tags };
      recordColumnSumRows(tape, rows, batch, tags * tags, toTransitions);
    }
    tape.dispatch('crf', 'slopes', {
      bindings: { golden, marginals, scale },
      ...grid(steps * batch * tags),
    });
    if (toEmissions) recordCopy(tape, marginals, toEmissions.tensor, toEmissions.accumulate);
    if (toStart) {
      recordColumnSumRows(tape, { tensor: marginals, offset: 0, row: tags }, batch, tags, toStart);
    }
    if (toEnd) {
      tape.dispatch('crf', 'ends', {
        bindings: { lengths, marginals, dEnd: toEnd.tensor },
        ...grid(tags, { accumulate: toEnd.accumulate }),
      });
    }
  });
}
