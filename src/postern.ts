#!/usr/bin/env node
// Node only. The `postern` command: the command line, read from what the last run compiled.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

/*
 * Half of a start went into stripping types and compiling. The cache stands in the installation's own folder and nowhere
 * shared, because who writes to it decides what runs: here that is who can change the code anyway. Where the folder
 * cannot be written, each start compiles, as it would without.
 */
enableCompileCache(join(import.meta.dirname, '../node_modules/.cache/postern'))

// Not `import … from`: what stands above must hold before any of it is loaded.
await import('./cli.ts')
