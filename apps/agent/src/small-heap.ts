import { config } from 'zod/v4/core';

// For a process that lives long and does little, before it loads anything else.

// V8 lets the room for young objects grow to 32 MB and collects when it is full; what they hold outside of the heap, 16 kB
// for every TLS record that came in, stays as long. Without growth a download of 400 MB takes 60 MB less. Whoever has
// started this process without room to grow has saved 1 MB more: that of the module by which it is kept from it.
if (!process.execArgv.includes('--max-semi-space-size=1')) {
  process.getBuiltinModule('node:v8').setFlagsFromString('--semi-space-growth-factor=1');
}

// Node cuts small buffers from pieces of 64 kB, and a piece stays as long as one of them: a minute after the start eleven
// were kept by a few bytes each.
Buffer.poolSize = 4096;

// What comes in is read by its schema as it stands: a program made of each schema is faster, and stays in memory.
config({ jitless: true });

// What Node holds for V8's objects, such as the answer of a file, goes when V8 has collected them all, which it does when
// its own heap has grown by some MB: at a high rate it was 5 MB by then. A whole collection takes 5 ms.
const COLLECT_MS = 60_000;
const { gc } = globalThis;
if (gc !== undefined) setInterval(() => void gc({ type: 'major', execution: 'async' }), COLLECT_MS).unref();
