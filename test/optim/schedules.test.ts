import { describe, expect, test } from 'vitest';
import {
  afterValidation,
  initialScheduleState,
  learningRate,
  type ScheduleOptions,
  type ScheduleState,
} from '../../src/optim/schedules.ts';

const options: ScheduleOptions = {
  learning_rate: 0.8,
  scheduling: 'constant',
  learning_rate_warmup: 0,
  learning_rate_min: 0,
  decrease_factor: 0.5,
  patience: 2,
  start_decay_epoch: 6,
  decay_every: 1,
};
const at = (given: Partial<ScheduleOptions>, update: number, epoch = 1, state = initialScheduleState) =>
  learningRate({ ...options, ...given }, state, { update, epoch });

describe('constant', () => {
  test('is the rate from the first update on', () => {
    expect([1, 2, 1e6].map((update) => at({}, update, 30))).toEqual([0.8, 0.8, 0.8]);
  });
});

describe('warm-up', () => {
  test('is a straight line to the full rate', () => {
    const rates = [1, 2, 3, 4, 5, 6].map((update) => at({ learning_rate_warmup: 4 }, update));
    expect(rates).toEqual([0.2, 0.4, 0.8 * 0.75, 0.8, 0.8, 0.8].map((rate) => expect.closeTo(rate, 12)));
  });
  test('comes before every schedule and below the least rate', () => {
    for (const scheduling of ['constant', 'step', 'inverse_sqrt', 'plateau'] as const) {
      const given = { scheduling, learning_rate_warmup: 100, learning_rate_min: 0.1 };
      expect(at(given, 1)).toBeCloseTo(0.008, 12);
      expect(at(given, 100)).toBe(0.8);
    }
  });
});

describe('step', () => {
  const step = { scheduling: 'step' } as const;
  test('Luong: after five epochs halve every epoch', () => {
    const rates = [1, 5, 6, 7, 8, 12].map((epoch) => at(step, 1000 * epoch, epoch));
    expect(rates).toEqual([0.8, 0.8, 0.4, 0.2, 0.1, 0.8 * 0.5 ** 7]);
  });
  test('every third epoch from the second on, by another factor', () => {
    const given = { ...step, start_decay_epoch: 2, decay_every: 3, decrease_factor: 0.1 };
    const rates = [1, 2, 4, 5, 7, 8].map((epoch) => at(given, 1, epoch) / 0.8);
    expect(rates).toEqual([1, 0.1, 0.1, 0.01, 0.01, 0.001].map((rate) => expect.closeTo(rate, 12)));
  });
  test('stops at the least rate', () => {
    expect(at({ ...step, learning_rate_min: 0.15 }, 1, 8)).toBe(0.15);
    expect(at({ ...step, learning_rate_min: 2 }, 1, 8)).toBe(0.8); // never an increase
  });
});

describe('inverse square root', () => {
  test('falls from the full rate at the end of warm-up', () => {
    const given = { scheduling: 'inverse_sqrt', learning_rate_warmup: 400 } as const;
    expect([400, 1600, 40_000].map((update) => at(given, update))).toEqual([
      0.8,
      0.4,
      expect.closeTo(0.08, 12),
    ]);
    expect(at(given, 401)).toBeLessThan(0.8);
  });
  test('without warm-up falls from the first update', () => {
    const rates = [1, 4, 16].map((update) => at({ scheduling: 'inverse_sqrt' }, update));
    expect(rates).toEqual([0.8, 0.4, 0.2]);
  });
});

describe('plateau', () => {
  const plateau = { ...options, scheduling: 'plateau' } as const;
  function rates(metrics: number[], direction: 'fall' | 'rise'): number[] {
    let state: ScheduleState = initialScheduleState;
    return metrics.map((metric) => {
      // Through JSON, as a checkpoint does it.
      state = JSON.parse(JSON.stringify(afterValidation(plateau, state, metric, direction)));
      return learningRate(plateau, state, { update: 500, epoch: 3 });
    });
  }
  // As torch.optim.lr_scheduler.ReduceLROnPlateau(factor=0.5, patience=2, threshold=0).
  test('a loss that wants to fall', () => {
    const metrics = [5, 4, 4, 4.5, 4.1, 4.2, 3.9, 3.9, 3.9, 3.9, 3.8];
    expect(rates(metrics, 'fall')).toEqual([0.8, 0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.4, 0.4, 0.2, 0.2]);
  });
  test('a score that wants to rise', () => {
    expect(rates([10, 12, 11, 11, 11, 13, 12], 'rise')).toEqual([0.8, 0.8, 0.8, 0.8, 0.4, 0.4, 0.4]);
  });
  test('a metric that is not finite is no improvement', () => {
    expect(rates([Number.NaN, Infinity, Number.NaN, 2, 1], 'fall')).toEqual([0.8, 0.8, 0.4, 0.4, 0.4]);
  });
  test('other schedules leave the state alone', () => {
    for (const scheduling of ['constant', 'step', 'inverse_sqrt'] as const) {
      expect(afterValidation({ ...options, scheduling }, initialScheduleState, 3, 'fall')).toBe(
        initialScheduleState,
      );
    }
  });
});
