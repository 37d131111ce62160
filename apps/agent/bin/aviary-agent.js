#!/usr/bin/env node
import '../dist/small-heap.js';

// Loaded after it, since the heap grows while modules are read.
await import('../dist/main.js');
