import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openApiDocument } from '../src/openapi.ts';
import { OPENAPI_FILE, openApiText, workspaceVersion } from './write-openapi.ts';

const text = openApiText(openApiDocument(workspaceVersion()));

describe('docs/openapi.json', () => {
  it('is what the schemas say', () => {
    const same = readFileSync(OPENAPI_FILE, 'utf8') === text;
    const message = 'docs/openapi.json is not what the schemas say; run: node libs/protocol/scripts/write-openapi.ts';
    expect(same, message).toBe(true);
  });

  it('ends in a single new line and keeps the order of names', () => {
    expect(text).toMatch(/[^\n]\n$/);
    const { paths, components } = JSON.parse(text);
    for (const part of [paths, components.schemas, ...Object.values<object>(paths)]) {
      expect(Object.keys(part)).toEqual([...Object.keys(part)].sort());
    }
  });

  it('holds everything that the document does', () => {
    const document = openApiDocument(workspaceVersion());
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(document)));
  });

  it('does not depend on the order in which routes are written', () => {
    const { paths, components, ...rest } = openApiDocument(workspaceVersion());
    const turned = <T extends object>(entries: T | undefined) =>
      Object.fromEntries(Object.entries(entries ?? {}).reverse()) as T;
    const document = {
      ...rest,
      paths: turned(paths),
      components: { ...components, schemas: turned(components?.schemas) },
    };
    expect(openApiText(document)).toBe(text);
  });
});
