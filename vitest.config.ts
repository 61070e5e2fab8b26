import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

// Nothing is told to anybody, nothing is asked of the network.
process.env.WRANGLER_SEND_METRICS = 'false'
process.env.CI ??= 'true'

const onTheEdge = ['test/edge/**/*.test.ts', 'test/**/*.edge.test.ts']

/** Two runtimes, one command: Node for everything, workerd for what must also hold in a Durable Object. */
export default defineConfig({
  test: {
    // Every core: of two, the default leaves one idle.
    maxWorkers: '100%',
    projects: [
      {
        test: {
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: onTheEdge,
          pool: 'forks',
          // Half of a short test's time was loading what its neighbour had loaded. No test mocks a module, fakes the
          // time or writes to the environment, so nothing of one file is left for the next.
          isolate: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        plugins: [
          cloudflareTest(({ inject }) => ({
            wrangler: { configPath: './wrangler.toml' },
            remoteBindings: false,
            miniflare: { cf: false, bindings: inject<Record<string, string>>('edgeBindings') },
          })),
        ],
        test: {
          name: 'workerd',
          include: onTheEdge,
          globalSetup: './test/edge/deployment.ts',
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
