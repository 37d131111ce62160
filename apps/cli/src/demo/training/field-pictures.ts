import { type DigitSets, PIXELS } from './digits.ts';
import { brightnessAt, inTheField, underExposed } from './lighting.ts';
import { writePictures } from './pictures.ts';
import { seededRandom } from './random.ts';

export interface FieldPictures {
  /** Number of the device: each sees other digits, in its own light. */
  readonly device: number;
  /** How many devices there are. */
  readonly devices: number;
  /** Digits that belong to each device. */
  readonly perDevice: number;
  /** Which of them it sees now: `[from, to)`. */
  readonly range: readonly [from: number, to: number];
  /** `lit`: as the place is; `dark`: its lamp has failed. */
  readonly light: 'lit' | 'dark';
  /** Of the files' names, so that pictures of another time are not taken for these. */
  readonly prefix: string;
}

/** Writes held-out digits as the pictures that one device of the field sees. */
export const writeFieldPictures = async (
  directory: string,
  { heldOut }: DigitSets,
  field: FieldPictures,
): Promise<void> => {
  const { device, devices, perDevice, range, light, prefix } = field;
  const [from, to] = range;
  const random = seededRandom(100 + device + 1_000 * from);
  const brightness = brightnessAt(devices === 1 ? 0.5 : device / (devices - 1));
  const own = heldOut.slice(device * perDevice + from, device * perDevice + to);
  if (own.length < to - from)
    throw new RangeError(`expected ${to - from} held-out digits for device ${device}, there are ${own.length}`);
  await writePictures(
    directory,
    own.map(({ label, pixels }) => {
      const picture = new Float32Array(PIXELS);
      if (light === 'lit') inTheField(pixels, picture, brightness, random);
      else underExposed(pixels, picture, random);
      return { label, pixels: picture };
    }),
    prefix,
  );
};
