/** One check that is taken out, and the attack that then gets through. */
export interface Mutation {
  /** What is taken out. */
  readonly removes: string;
  /** The test that has to fail: its file in this folder, the attack, and words of its name. */
  readonly test: readonly [file: string, attack: string, words: string];
  /** Where the check stands. */
  readonly file: string;
  /** Its words, which stand there once, and what takes their place. */
  readonly edit: readonly [check: string, instead: string];
}

const CHECK = 'libs/release/src/documents/assignment-check.ts';
const REPOSITORY = 'libs/release/src/tuf/image-repository.ts';
const TUF = 'node_modules/tuf-js/dist/store.js';
const DOWNLOAD = 'apps/agent/src/update/download.ts';
const RECEPTION = 'apps/agent/src/update/reception.ts';
const SERVER_TRUST = 'apps/agent/src/link/server-trust.ts';
const BROKER = 'apps/control-plane/src/features/mqtt/embedded-broker.ts';
const UPDATE = 'libs/federation/src/update-check.ts';

/** Every check that stands between an attack and a device or a fleet. At least one for each attack. */
export const MUTATIONS: readonly Mutation[] = [
  {
    removes: 'that a release has to be a target',
    test: [
      'image-repository',
      'arbitrary software',
      'is refused when the control plane assigns what nobody has published',
    ],
    file: CHECK,
    edit: [
      'if (variant === undefined) {',
      'if (variant === undefined) return { status: "unchanged", expired }; else if (false) {',
    ],
  },
  {
    removes: 'the signature of targets',
    test: ['image-repository', 'arbitrary software', 'is refused when whoever holds the control plane signs targets'],
    file: TUF,
    edit: ['delegator.verifyDelegate(roleName, newDelegate);', ''],
  },
  {
    removes: 'the memory of metadata',
    test: ['image-repository', 'rollback', 'to metadata in which a revoked release still stands'],
    file: REPOSITORY,
    edit: ['const kept = await this.#kept.read();', 'const kept = undefined as MetadataFiles | undefined;'],
  },
  {
    removes: 'the rollback floor',
    test: ['image-repository', 'rollback', 'to a release below the floor'],
    file: CHECK,
    edit: ['if (release.releaseCounter < context.rollbackFloor) {', 'if (false) {'],
  },
  {
    removes: 'expiry by what was signed instead of by the clock',
    test: ['image-repository', 'freeze', 'ends new installs when the metadata has expired'],
    file: REPOSITORY,
    edit: ['if (now < expiryOf(trusted[role])) continue;', 'continue;'],
  },
  {
    removes: 'the digest of who may assign',
    test: ['image-repository', 'mix-and-match', 'of new metadata with the older file of who may assign'],
    file: 'libs/release/src/tuf/fleet-targets.ts',
    edit: ['if (bytes.length !== signed.length || sha256 !== signed.sha256) {', 'if (false) {'],
  },
  {
    removes: 'the version of targets that a snapshot names',
    test: ['image-repository', 'mix-and-match', 'of a new timestamp and snapshot with older targets'],
    file: TUF,
    edit: ['meta.verify(bytesBuffer);', 'meta.version = JSON.parse(bytesBuffer.toString()).signed.version;'],
  },
  {
    removes: 'the longest answer',
    test: ['image-repository', 'endless data', 'instead of metadata'],
    file: 'apps/agent/src/link/device-api.ts',
    edit: ['if (length > limit) throw', 'if (false) throw'],
  },
  {
    removes: 'the signed length of a release',
    test: ['mirror', 'endless data', 'instead of a release'],
    file: RECEPTION,
    edit: ['if (position + chunk.length > length) {', 'if (false) {'],
  },
  {
    removes: 'the slowest speed of a download',
    test: ['mirror', 'slow retrieval', 'of a release'],
    file: RECEPTION,
    edit: ["slow.abort(new Error('the source is too slow'));", 'void slow;'],
  },
  {
    removes: 'the time that metadata may take',
    test: ['mirror', 'slow retrieval', 'of metadata'],
    file: 'apps/agent/src/link/device-api.ts',
    edit: [
      'const both = signal === undefined ? patience.signal : AbortSignal.any([signal, patience.signal]);',
      'const both = signal ?? new AbortController().signal;',
    ],
  },
  {
    removes: 'that what is kept has to be signed by the keys of now',
    test: ['image-repository', 'fast-forward', 'by stolen online keys'],
    file: TUF,
    edit: ['this.root.verifyDelegate(models_1.MetadataKind.Timestamp, newTimestamp);', ''],
  },
  {
    removes: 'the profiles of a target',
    test: ['image-repository', 'online-key compromise', 'lets nobody assign a release that is not for this board'],
    file: CHECK,
    edit: ['if (context.profile === null || !target.profiles.includes(context.profile)) {', 'if (false) {'],
  },
  {
    removes: 'the signature of the director',
    test: ['image-repository', 'online-key compromise', 'is over once the publisher has replaced the keys'],
    file: 'libs/release/src/documents/dsse.ts',
    edit: ['.filter(([, key]) => signatures.some((signature) => isSignedBy(key, message, signature)))', ''],
  },
  {
    removes: 'the digest of a download',
    test: ['mirror', 'malicious mirror', ''],
    file: DOWNLOAD,
    edit: ['if (actual !== sha256) {', 'if (false) {'],
  },
  {
    removes: 'whom an assignment is for',
    test: ['control-plane', 'wrong device', 'refuses what the director has signed for another one'],
    file: CHECK,
    edit: ['if (assignment.deviceId !== context.deviceId) {', 'if (false) {'],
  },
  {
    removes: 'the enrolment that an assignment is for',
    test: ['control-plane', 'wrong device', 'refuses what was signed for it before it joined again'],
    file: CHECK,
    edit: ['if (assignment.epoch !== context.epoch) {', 'if (false) {'],
  },
  {
    removes: 'the order of assignments',
    test: ['control-plane', 'replayed assignment', ''],
    file: CHECK,
    edit: ['if (assignment.sequence < context.lastSequence) {', 'if (false) {'],
  },
  {
    removes: 'that opened models lie in memory',
    test: ['thief', 'stolen ciphertext', 'is all that a card'],
    file: 'apps/agent/src/update/memory-storage.ts',
    edit: ['if (root === undefined && path !== undefined && (await isInMemory(path))) root = path;', 'root ??= path;'],
  },
  {
    removes: 'revocation',
    test: ['other-device', 'revoked device', ''],
    file: 'apps/control-plane/src/features/devices/certificates.service.ts',
    edit: ["if (revoked) return { status: 'revoked', expiredSeconds };", ''],
  },
  {
    removes: 'the end of sessions whose certificate counts no more',
    test: ['other-device', 'revoked device', ''],
    file: 'apps/control-plane/src/features/mqtt/session-watch.ts',
    edit: ['await this.broker.enforce(this.certificates);', ''],
  },
  {
    removes: 'the check of a server by TLS',
    test: ['broker', 'broker impersonation', 'by a server of another fleet is told nothing$'],
    file: SERVER_TRUST,
    edit: ['rejectUnauthorized: !byHand,', 'rejectUnauthorized: false,'],
  },
  {
    removes: 'the check of a server where the clock says nothing',
    test: ['broker', 'broker impersonation', 'by a server of another fleet is told nothing either'],
    file: SERVER_TRUST,
    edit: ['if (byHand) checkServerAt(', 'if (!byHand) checkServerAt('],
  },
  {
    removes: 'whose topics a device may publish to',
    test: ['other-device', 'topic spoofing', 'with telemetry of another device'],
    file: BROKER,
    edit: ['if (target === undefined || target.deviceId !== sender) {', 'if (target === undefined) {'],
  },
  {
    removes: 'that a client is called as its certificate',
    test: ['other-device', 'topic spoofing', 'under another device'],
    file: BROKER,
    edit: ['|| packet.clientId !== peer.deviceId ||', '||'],
  },
  {
    removes: 'what a device may listen to',
    test: ['other-device', 'topic spoofing', 'by listening'],
    file: BROKER,
    edit: [
      'if (sender !== undefined && mayDeviceSubscribe(sender, subscription.topic)) callback',
      'if (sender !== undefined) callback',
    ],
  },
  {
    removes: 'the longest update',
    test: ['federation', 'poisoned federated update', 'is refused with update-norm'],
    file: UPDATE,
    edit: ['if (norm > LONGEST_NORM) {', 'if (false) {'],
  },
  {
    removes: 'that updates are numbers',
    test: ['federation', 'poisoned federated update', 'is refused with update-not-finite'],
    file: UPDATE,
    edit: ['if (wrong >= 0) {', 'if (false) {'],
  },
  {
    removes: 'the cap on samples',
    test: ['federation', 'poisoned federated update', 'of a device that says'],
    file: 'libs/federation/src/aggregate.ts',
    edit: ['return Math.min(samples, this.mostSamples);', 'return samples;'],
  },
  {
    removes: 'the shortening of long updates',
    test: ['federation', 'poisoned federated update', 'that is as long as is allowed'],
    file: 'libs/federation/src/aggregate.ts',
    edit: ['const isLong = figures.norm > this.clipNorm;', 'const isLong = false;'],
  },
];
