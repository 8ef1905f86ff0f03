import { describe, expect, test } from 'vitest';
import {
  checkSamplingSchedule,
  type SamplingScheduleOptions,
  samplingProbability,
} from '../../src/train/sampling-schedule.ts';

const options: SamplingScheduleOptions = {
  schedule: 'constant',
  probability: 0.3,
  k: 1,
  c: 0.01,
  epsilon_min: 0,
};
const at = (given: Partial<SamplingScheduleOptions>, ...updates: number[]) =>
  updates.map((update) => samplingProbability({ ...options, ...given }, update));
const close = (...values: number[]) => values.map((value) => expect.closeTo(value, 12));

describe('the probability of the own token', () => {
  test('constant', () => {
    expect(at({}, 0, 1, 1e9)).toEqual([0.3, 0.3, 0.3]);
  });

  test('linear falls from k by c an update to epsilon_min', () => {
    const given = { schedule: 'linear', k: 0.9, c: 0.002, epsilon_min: 0.25 } as const;
    expect(at(given, 0, 1, 100, 324, 325, 326, 1e9)).toEqual(close(0.1, 0.102, 0.3, 0.748, 0.75, 0.75, 0.75));
    expect(at({ schedule: 'linear', k: 1, c: 0.001 }, 0, 500, 1000, 5000)).toEqual(close(0, 0.5, 1, 1));
  });

  test('exponential multiplies the teacher by k in each update', () => {
    const given = { schedule: 'exponential', k: 0.5 } as const;
    expect(at(given, 0, 1, 2, 10)).toEqual([0, 0.5, 0.75, 1023 / 1024]);
    expect(at({ schedule: 'exponential', k: 0.999 }, 693)).toEqual(
      close(1 - Math.exp(693 * Math.log(0.999))),
    );
    expect(at({ schedule: 'exponential', k: 0 }, 0, 1)).toEqual([0, 1]);
  });

  test('inverse sigmoid is a half where exp(i / k) = k', () => {
    const given = { schedule: 'inverse_sigmoid', k: 100 } as const;
    // 100·ln 100 = 460.517…; ε(0) = 100/101, ε(100) = 100/(100 + e), ε(1000) = 100/(100 + e^10).
    const [first, hundredth, thousandth] = [
      1 / 101,
      Math.E / (100 + Math.E),
      22026.465794806718 / 22126.465794806718,
    ];
    expect(at(given, 0, 100, 100 * Math.log(100), 1000)).toEqual(close(first, hundredth, 0.5, thousandth));
    expect(at({ ...given, k: 1 }, 0, 1e9)).toEqual([0.5, 1]);
  });

  test('stays from 0 to 1 and never falls', () => {
    for (const given of [
      { schedule: 'linear', k: 1, c: 3e-4 },
      { schedule: 'exponential', k: 0.9995 },
      { schedule: 'inverse_sigmoid', k: 700 },
    ] as const) {
      let last = 0;
      for (let update = 0; update < 20_000; update += 97) {
        const [p] = at(given, update);
        expect(p).toBeGreaterThanOrEqual(last);
        expect(p).toBeLessThanOrEqual(1);
        last = p!;
      }
      expect(last).toBeGreaterThan(0.99);
    }
  });
});

describe('numbers that a schedule cannot use', () => {
  test.each([
    [{ probability: 1.2 }, 'probability of the schedule constant must be from 0 to 1, but is 1.2'],
    [{ probability: Number.NaN }, 'probability'],
    [{ schedule: 'linear', k: 1.5 }, 'k of the schedule linear'],
    [{ schedule: 'linear', c: -0.1 }, 'c of the schedule linear must be at least 0'],
    [{ schedule: 'linear', epsilon_min: -0.1 }, 'epsilon_min of the schedule linear'],
    [{ schedule: 'exponential', k: 1 }, 'k of the schedule exponential must be at least 0 and below 1'],
    [{ schedule: 'inverse_sigmoid', k: 0.9 }, 'k of the schedule inverse_sigmoid must be at least 1'],
  ] as const)('%o', (given, message) => {
    expect(() => checkSamplingSchedule({ ...options, ...given })).toThrow(message);
  });

  test('those of other schedules do not matter', () => {
    const unused = { probability: 7, c: -1, epsilon_min: 9 };
    for (const given of [
      { k: 7, c: -1, epsilon_min: 9 },
      { schedule: 'linear', probability: 7 },
      { schedule: 'exponential', ...unused, k: 0.5 },
      { schedule: 'inverse_sigmoid', ...unused, k: 3 },
    ] as const) {
      expect(() => checkSamplingSchedule({ ...options, ...given })).not.toThrow();
    }
  });
});
