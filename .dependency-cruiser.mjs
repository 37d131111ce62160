/**
 * What may import what. Each rule is broken on purpose in test/boundaries.
 * @type {import('dependency-cruiser').IConfiguration}
 */
export default {
  forbidden: [
    {
      name: 'libraries-know-no-app',
      comment: 'A library serves several apps; it cannot know one of them.',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '(^|/)apps/|^@aviary/(agent|cli|control-plane)' },
    },
    {
      name: 'apps-meet-on-the-wire',
      comment: 'Apps never import each other: they meet in libs/protocol and over the network.',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'libraries-use-no-framework',
      comment: 'Libraries hold what is true with any web framework, database or MQTT client.',
      severity: 'error',
      from: { path: '^libs/[^/]+/src/' },
      to: { path: 'node_modules/(@nestjs|typeorm|pg|fastify|@fastify|aedes|mqtt|@oclif)/' },
    },
    {
      name: 'pure-libraries-do-no-io',
      comment: 'They decide; files, network and processes come in as arguments. Their clock is checked by Biome.',
      severity: 'error',
      from: { path: '^libs/(rollout|hardware|protocol|onnx|federation)/src/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'a-library-is-its-index',
      comment:
        'A library is used by its name; what its index.ts does not export is its own business. What tests share is beside it.',
      severity: 'error',
      from: { path: '^(libs|apps)/([^/]+)/' },
      to: { path: '^libs/[^/]+/src/', pathNot: ['^$1/$2/', '^libs/[^/]+/src/index\\.ts$', '^libs/[^/]+/src/testing/'] },
    },
    {
      name: 'features-meet-in-services',
      comment: "A feature's routes, entities and guards are its own; others use its services.",
      severity: 'error',
      from: { path: '^apps/control-plane/src/features/([^/]+)/' },
      to: {
        path: '^apps/control-plane/src/features/[^/]+/.*\\.(controller|entity|guard)\\.ts$',
        pathNot: '^apps/control-plane/src/features/$1/',
      },
    },
    {
      name: 'infra-knows-no-feature',
      comment: 'Flow goes one way: roles use features, features use infra.',
      severity: 'error',
      from: { path: '^apps/control-plane/src/infra/' },
      to: { path: '^apps/control-plane/src/(features|roles|launcher)/' },
    },
    {
      name: 'features-know-no-role',
      comment: 'A feature does not know in which process it runs.',
      severity: 'error',
      from: { path: '^apps/control-plane/src/features/' },
      to: { path: '^apps/control-plane/src/(roles|launcher)/' },
    },
    {
      name: 'the-worker-has-no-network',
      comment: "A model's process, and one that trains it, gets verified bytes over a pipe and speaks to nobody.",
      severity: 'error',
      from: { path: '^apps/agent/src/(inference/worker|learning/trainer)/', pathNot: '\\.test\\.ts$' },
      to: {
        path: [
          '^(node:)?(http|https|http2|net|tls|dgram|dns|child_process)$',
          '^apps/agent/src/(link|identity|update)/',
        ],
      },
    },
    {
      name: 'no-circles',
      comment: 'Two files that need each other are one thing, or hide a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'tests-are-not-shipped',
      comment: 'Nothing that runs at a user may need a test or what only tests install.',
      severity: 'error',
      from: { path: '^(libs|apps)/[^/]+/src/', pathNot: ['\\.test\\.ts$', '/testing/'] },
      to: { path: ['\\.test\\.ts$', '/testing/', '^test/', 'node_modules/(vitest|fast-check)/'] },
    },
    {
      name: 'everything-is-found',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(apps|libs)/[^/]+/(dist|src/api/generated)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['aviary-source', 'import', 'node', 'default'],
      extensions: ['.ts', '.tsx', '.js', '.mjs', '.json', '.css'],
    },
  },
};
