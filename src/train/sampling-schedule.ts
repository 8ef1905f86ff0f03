/**
 * How often a decoder in training reads its own token instead of the teacher's, as a pure function of the update
 * (Bengio et al., "Scheduled Sampling for Sequence Prediction with Recurrent Neural Networks", NIPS 2015, section 2.4).
 * The paper's ε is the probability of the teacher's token; here it is p = 1 - ε, so 0 is teacher forcing and 1 free
 * running. With i updates done before:
 *
 *   constant         p = probability
 *   linear           ε = max(epsilon_min, k - c·i)
 *   exponential      ε = k^i             k < 1
 *   inverse_sigmoid  ε = k / (k + exp(i / k))   k ≥ 1
 */
import { ConfigError } from '../errors.ts';

export type SamplingSchedule = 'constant' | 'linear' | 'exponential' | 'inverse_sigmoid';

/** The keys of a configuration that concern the probability of the model's own token. */
export interface SamplingScheduleOptions {
  readonly schedule: SamplingSchedule;
  /** Of constant: p itself. */
  readonly probability: number;
  /** Linear: ε at the first update. Exponential: what ε is multiplied by in each update. Inverse sigmoid: how long it stays. */
  readonly k: number;
  /** Linear: what is taken off ε in each update. */
  readonly c: number;
  /** Linear: where ε stops. */
  readonly epsilon_min: number;
}

/**
 * The probability of the model's own token, in [0, 1].
 *
 * @param update updates done before this one: 0 at the first
 */
export function samplingProbability(options: SamplingScheduleOptions, update: number): number {
  const { schedule, probability, k } = options;
  switch (schedule) {
    case 'constant':
      return probability;
    case 'linear':
      return 1 - Math.max(options.epsilon_min, k - options.c * update);
    case 'exponential':
      return 1 - k ** update;
    case 'inverse_sigmoid':
      return 1 - k / (k + Math.exp(update / k));
    default:
      return schedule satisfies never;
  }
}

/** @throws ConfigError naming the number that its schedule cannot use */
export function checkSamplingSchedule(options: SamplingScheduleOptions): void {
  const { schedule, probability, k, c, epsilon_min } = options;
  const isShare = (value: number) => value >= 0 && value <= 1;
  const share = 'from 0 to 1';
  const needs: Record<
    SamplingSchedule,
    readonly (readonly [name: string, value: number, ok: boolean, range: string])[]
  > = {
    constant: [['probability', probability, isShare(probability), share]],
    linear: [
      ['k', k, isShare(k), share],
      ['c', c, c >= 0 && Number.isFinite(c), 'at least 0'],
      ['epsilon_min', epsilon_min, isShare(epsilon_min), share],
    ],
    exponential: [['k', k, k >= 0 && k < 1, 'at least 0 and below 1']],
    inverse_sigmoid: [['k', k, k >= 1 && Number.isFinite(k), 'at least 1']],
  };
  for (const [name, value, ok, range] of needs[schedule]) {
    if (!ok) throw new ConfigError(`${name} of the schedule ${schedule} must be ${range}, but is ${value}`);
  }
}
