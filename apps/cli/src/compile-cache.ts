import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

// Loaded before all else: what a program consists of is compiled once, and not at each start. The folder is the user's own.
// Node's default is one that all users of a machine share, and whoever makes it first could lay their own code there.
try {
  const { XDG_CACHE_HOME = '' } = process.env;
  const caches = isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(homedir(), '.cache');
  const folder = join(caches, 'aviary', 'compiled');
  // Where NODE_COMPILE_CACHE names one it counts, and where none can be written, all is compiled each time.
  enableCompileCache(folder);
  // For the programs that `up`, `demo` and `sim` start.
  process.env.NODE_COMPILE_CACHE ??= folder;
} catch {
  // A user without a home directory.
}
