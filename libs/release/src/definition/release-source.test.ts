import { mkdir, rm } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { METER_READER_LINEAGE } from '../testing/meter-reader.ts';
import { METER_READER_FILES, METER_READER_YAML, modelFolder } from '../testing/model-folder.ts';

const model = modelFolder(METER_READER_YAML, METER_READER_FILES);

describe('the files of a release', () => {
  it('names all files that are missing', async () => {
    await rm(model.at('model.onnx'));
    await rm(model.at('suite/labels.csv'));
    await model.expectRefused('files-missing', /: model\.onnx, suite\/labels\.csv$/);
  });

  it('names samples that are missing, and folders in their place', async () => {
    await rm(model.at('suite/a,1.png'));
    await mkdir(model.at('suite/a,1.png'));
    await model.expectRefused('files-missing', 'suite/a,1.png (not a file)');
  });

  it.each([
    ['a hole', 'zero\n\none', 'line 2: expected a label'],
    ['a label twice', 'zero\none\nzero', 'line 3: "zero" is there twice'],
    ['one label', 'zero\n', 'at least 2 labels'],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x0a]), 'UTF-8'],
  ])('refuses labels with %s', async (_, text, message) => {
    await model.put('labels.txt', text);
    await model.expectRefused('labels-invalid', message);
  });

  it.each([
    ['no header', 'a.png,one\n', 'line 1: expected the header file,label'],
    ['no rows', 'file,label\n', 'expected at least one sample'],
    ['too many columns', 'file,label\na.png,one,two\n', 'line 2: expected file,label'],
    ['a path that climbs', 'file,label\n../a.png,one\n', 'line 2: expected a file in the folder'],
    ['a file twice', 'file,label\na.png,one\na.png,zero\n', 'line 3: a.png is there twice'],
    ['an unknown label', 'file,label\na.png,two\n', 'got "two"'],
  ])('refuses samples with %s', async (_, text, message) => {
    await model.put('suite/labels.csv', text);
    await model.expectRefused('samples-invalid', message);
  });
});

describe('lineage', () => {
  const withLineage = async (content: string) => {
    await model.put('lineage.json', content);
    return model.build({}, `${METER_READER_YAML}lineage: lineage.json\n`);
  };

  it('is in the statement, as the file has it', async () => {
    const { statement } = await withLineage(JSON.stringify(METER_READER_LINEAGE));
    expect(statement.lineage).toEqual(METER_READER_LINEAGE);
  });

  it.each([
    ['is no JSON', 'parent: x', 'lineage.json: expected JSON'],
    ['lacks its round', JSON.stringify({ ...METER_READER_LINEAGE, round: undefined }), 'at round'],
    [
      'is of another model',
      JSON.stringify({ ...METER_READER_LINEAGE, parent: 'bird@1.0.0' }),
      'a release of meter-reader, got bird@',
    ],
  ])('is refused when it %s', async (_, content, message) => {
    await expect(withLineage(content)).rejects.toMatchObject({
      code: 'lineage-invalid',
      message: expect.stringContaining(message),
    });
  });

  it('is missed like every other file', async () => {
    await expect(model.build({}, `${METER_READER_YAML}lineage: lineage.json\n`)).rejects.toMatchObject({
      code: 'files-missing',
    });
  });
});
