import { type DigitSets, PIXELS } from './digits.ts';
import { brightnessAt, inTheField } from './lighting.ts';
import { writePictures } from './pictures.ts';
import { seededRandom } from './random.ts';

export interface FieldPictures {
  /** Number of the device: each sees other digits, in its own light. */
  readonly device: number;
  /** How many devices there are. */
  readonly devices: number;
  readonly count: number;
}

/** Writes held-out digits as the pictures that one device of the field sees. */
export const writeFieldPictures = async (
  directory: string,
  { heldOut }: DigitSets,
  field: FieldPictures,
): Promise<void> => {
  const { device, devices, count } = field;
  const random = seededRandom(100 + device);
  const brightness = brightnessAt(devices === 1 ? 0.5 : device / (devices - 1));
  const own = heldOut.slice(device * count, (device + 1) * count);
  if (own.length < count)
    throw new RangeError(`expected ${count} held-out digits for device ${device}, there are ${own.length}`);
  await writePictures(
    directory,
    own.map(({ label, pixels }) => {
      const picture = new Float32Array(PIXELS);
      inTheField(pixels, picture, brightness, random);
      return { label, pixels: picture };
    }),
  );
};
