import '../../../apps/agent/src/small-heap.ts';

// As the agent's own program does it: first the heap, then everything else.
await import('./device-rounds.ts');
