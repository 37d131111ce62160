import { builtinModules } from 'node:module';
import type { Plugin } from 'rolldown';

// What a process of the agent holds in memory for years is above all its own code. These keep it small; the figures are
// those of Node 24 on x86-64, where a bare Node has 42 MB.

/**
 * Node's own modules. Where one is imported as an ES module Node reads every property of it once, and some of these load
 * something behind: `WebSocket` of `node:http` all of undici (14 MB), `rootCertificates` of `node:tls` the authorities of
 * the world, others a MIME type, a block list, all of Web Crypto. Asked for by `getBuiltinModule`, they are only read
 * where they are used. One stays as it is: the bundler's own code asks for it.
 */
const OF_NODE = builtinModules.filter((name) => name !== 'module').join('|');
const BUILTIN = new RegExp(`^(?:node:)?(?:${OF_NODE})$`);
const PREFIX = '\0builtin:';

/** Asks Node for its modules, and reads of them only what is used. */
export const builtinsByUse: Plugin = {
  name: 'builtins-by-use',
  resolveId: {
    filter: { id: BUILTIN },
    handler: (id) => ({ id: `${PREFIX}${id.replace(/^node:/, '')}`, moduleSideEffects: false }),
  },
  load: {
    filter: { id: new RegExp(`^${PREFIX}`) },
    // As CommonJS, of which the bundler reads a property when it is used.
    handler: (id) => `module.exports = process.getBuiltinModule('node:${id.slice(PREFIX.length)}');`,
  },
};

/** Writes all that is not ASCII as escapes: V8 keeps a source with one other character in twice the memory. */
export const asciiOnly: Plugin = {
  name: 'ascii-only',
  // After the bundler has taken the whitespace out, which would undo it.
  generateBundle: (_options, bundle) => {
    for (const chunk of Object.values(bundle)) {
      if (chunk.type === 'chunk') {
        chunk.code = chunk.code.replaceAll(/[^\n\t\x20-\x7e]/g, (unit) => `\\u${hex(unit.charCodeAt(0))}`);
      }
    }
  },
};

const hex = (unit: number): string => unit.toString(16).padStart(4, '0');

/** What packages bring along for Nodes and browsers of long ago, and what Node has itself. */
export const OWN_OF_NODE = { 'readable-stream': 'node:stream' };

/** What stands in the place of modules that libraries load, and of which the agent uses nothing, or very little. */
const STAND_INS: Readonly<Record<string, string>> = {
  // SonicBoom's, which writes the log: twelve modules of Node for one check.
  assert: 'module.exports = (holds, message) => { if (!holds) throw new Error(message); };',
  // What MQTT.js writes with DEBUG=mqttjs, with its colours of terminals.
  debug: 'module.exports = () => () => undefined;',
  // Transports of pino in threads of their own: the agent has none. Nor is any program of the agent a thread.
  'thread-stream': 'module.exports = class { constructor() { throw new Error("There are no transports."); } };',
  worker_threads: 'module.exports = { isMainThread: true };',
  // Timers of MQTT.js in browsers.
  'worker-timers': '',
};
const STAND_IN = '\0stand-in:';

/** Leaves out of the bundle what no board needs. */
export const standIns: Plugin = {
  name: 'stand-ins',
  resolveId: {
    filter: { id: new RegExp(`^(?:${Object.keys(STAND_INS).join('|')})$`) },
    handler: (id) => ({ id: `${STAND_IN}${id}`, moduleSideEffects: false }),
  },
  load: {
    filter: { id: new RegExp(`^${STAND_IN}`) },
    handler: (id) => STAND_INS[id.slice(STAND_IN.length)],
  },
};

const CLOCK = '\0clock';

/** The clock that does not jump: Node's global `performance` is one, too, and loads all of `node:perf_hooks`. */
export const clockAlone: Plugin = {
  name: 'clock-alone',
  resolveId: { filter: { id: new RegExp(`^${CLOCK}$`) }, handler: (id) => ({ id, moduleSideEffects: false }) },
  load: {
    filter: { id: new RegExp(`^${CLOCK}$`) },
    handler: () => `
      export const performance = {
        now: () => { const [seconds, nanoseconds] = process.hrtime(); return seconds * 1e3 + nanoseconds / 1e6; },
      };`,
  },
};

/** Has every program use that clock. */
export const GLOBALS = { performance: [CLOCK, 'performance'] } satisfies Record<string, [string, string]>;

/** What tells libraries that they are in a browser: Node loads a module of its own to answer for it. */
export const ABSENT = { navigator: 'undefined' };

/**
 * Whitespace, comments and the names of local variables go. Those of functions and classes stay: they are what a board's
 * report of an error is read by.
 */
export const SMALL_SOURCE = {
  compress: true,
  mangle: { toplevel: false, keepNames: true },
  codegen: { removeWhitespace: true },
} as const;
