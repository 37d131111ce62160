#!/usr/bin/env node
import '../dist/compile-cache.js';

// Loaded after it, since only what is loaded later is kept.
const { run } = await import('../dist/run.js');
await run(import.meta.url);
