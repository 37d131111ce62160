import { describe, expect, it } from 'vitest';
import { modelNameSchema, releaseNameSchema, splitReleaseName, versionSchema } from './release-name.ts';

describe('release name', () => {
  it('has a model and a version', () => {
    expect(splitReleaseName('meter-reader@1.4.0-rc.1')).toEqual({ model: 'meter-reader', version: '1.4.0-rc.1' });
    expect(() => splitReleaseName('meter-reader')).toThrow('expected model@version');
  });

  it.each(['a', 'a1', 'meter-reader', 'a'.repeat(63)])('takes the model %s', (name) => {
    expect(modelNameSchema.safeParse(name).success).toBe(true);
  });

  it.each(['', '-a', 'a-', 'A', 'a.b', 'a_b', 'a'.repeat(64), 'a\n'])('refuses the model %j', (name) => {
    expect(modelNameSchema.safeParse(name).success).toBe(false);
    expect(releaseNameSchema.safeParse(`${name}@1.0.0`).success).toBe(false);
  });

  it.each(['0.0.0', '1.2.3', '1.0.0-rc.1', '1.0.0+build', '1.0.0-a.b+c.d'])('takes the version %s', (version) => {
    expect(versionSchema.safeParse(version).success).toBe(true);
    expect(releaseNameSchema.safeParse(`m@${version}`).success).toBe(true);
  });

  it.each(['1', '1.0', '01.0.0', 'v1.0.0', '1.0.0-', '1.0.0/..', '1.0.0@2.0.0', '1.0.0\n'])(
    'refuses the version %j',
    (version) => {
      expect(versionSchema.safeParse(version).success).toBe(false);
      expect(releaseNameSchema.safeParse(`m@${version}`).success).toBe(false);
    },
  );
});
