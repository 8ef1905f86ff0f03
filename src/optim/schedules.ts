/**
 * The learning rate of every update, as a pure function of where training stands and of a small state that goes into
 * checkpoints as JSON. Warm-up comes first and is the same for all schedules: a straight line up to the full rate.
 *
 *   constant      rate
 *   step          rate · factor^k, with k = 1 from epoch `start_decay_epoch` on and one more every `decay_every` epochs.
 *                 Luong et al. (2015), "after 5 epochs halve every epoch": start_decay_epoch 6, decay_every 1, factor ½
 *   inverse_sqrt  rate · √(warm-up / update)
 *   plateau       rate · factor^k, with one more k after more than `patience` validations without improvement
 */

export type Scheduling = 'constant' | 'step' | 'inverse_sqrt' | 'plateau';

/** The keys of a `training` configuration that concern the learning rate. */
export interface ScheduleOptions {
  readonly learning_rate: number;
  readonly scheduling: Scheduling;
  /** Updates of warm-up; 0: none. */
  readonly learning_rate_warmup: number;
  /** Decreases stop at this rate. */
  readonly learning_rate_min: number;
  readonly decrease_factor: number;
  readonly patience: number;
  readonly start_decay_epoch: number;
  readonly decay_every: number;
}

/** What `plateau` has seen. All schedules have it, so that a run may go on with another one. */
export interface ScheduleState {
  /** The best value of the metric so far; null before the first validation. */
  readonly best: number | null;
  /** Validations since then, or since the last decrease. */
  readonly waited: number;
  readonly decreases: number;
}

export interface Progress {
  /** Number of the update, from 1. */
  readonly update: number;
  /** Number of the epoch it belongs to, from 1. */
  readonly epoch: number;
}

export const initialScheduleState: ScheduleState = { best: null, waited: 0, decreases: 0 };

/** The rate of the update that `progress` names. */
export function learningRate(options: ScheduleOptions, state: ScheduleState, progress: Progress): number {
  const { learning_rate: rate, learning_rate_warmup: warmup, learning_rate_min: least } = options;
  if (progress.update < warmup) return (rate * progress.update) / warmup;
  return Math.max(rate * decrease(options, state, progress), Math.min(least, rate));
}

/** What the full rate is multiplied by after warm-up. */
function decrease(options: ScheduleOptions, state: ScheduleState, { update, epoch }: Progress): number {
  const { scheduling, decrease_factor: factor } = options;
  switch (scheduling) {
    case 'constant':
      return 1;
    case 'step': {
      const { start_decay_epoch: start, decay_every: every } = options;
      return epoch < start ? 1 : factor ** (1 + Math.floor((epoch - start) / every));
    }
    case 'inverse_sqrt':
      return Math.sqrt(Math.max(1, options.learning_rate_warmup) / update);
    case 'plateau':
      return factor ** state.decreases;
    default:
      return scheduling satisfies never;
  }
}

/**
 * The state after a validation. A metric that is not finite counts as no improvement (and JSON could not hold it).
 *
 * @param direction whether the metric wants to fall (loss) or to rise (BLEU)
 */
export function afterValidation(
  options: Pick<ScheduleOptions, 'scheduling' | 'patience'>,
  state: ScheduleState,
  metric: number,
  direction: 'fall' | 'rise',
): ScheduleState {
  if (options.scheduling !== 'plateau') return state;
  const { best, waited, decreases } = state;
  const improved =
    Number.isFinite(metric) && (best === null || (direction === 'fall' ? metric < best : metric > best));
  if (improved) return { best: metric, waited: 0, decreases };
  if (waited < options.patience) return { best, waited: waited + 1, decreases };
  return { best, waited: 0, decreases: decreases + 1 };
}
