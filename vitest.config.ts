import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/setup/build.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // A worker process each: Dawn's device dies with its process, never under another test file.
    pool: 'forks',
    maxWorkers: 2,
  },
});
