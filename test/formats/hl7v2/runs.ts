/** How often a property is tried: a little with every build, and `npm run fuzz:hl7v2` for as long as somebody has patience. */
export const numRuns = Number(process.env.FUZZ_RUNS ?? 40)

/** Generous: builds share their machine. */
export const timeoutMs = 60_000 + numRuns * 1_000
