/** Pictures of a folder. `labels.csv` (`file,label`) in it gives the right answers, where it exists. */
export interface DirectorySource {
  readonly kind: 'directory';
  /** Absolute. */
  readonly path: string;
}

/** What ffmpeg can open: a camera's address, a device, a video file. */
export interface FfmpegSource {
  readonly kind: 'ffmpeg';
  readonly input: string;
  /** ffmpeg's own, for the input. */
  readonly options: readonly string[];
  /** A file is played over and over. */
  readonly loop: boolean;
}

/** What GStreamer makes. */
export interface GstSource {
  readonly kind: 'gst';
  /** As for gst-launch-1.0, up to an element that gives raw video. */
  readonly pipeline: string;
}

export type VideoSource = FfmpegSource | GstSource;

/** Where frames come from. */
export type CaptureSource = DirectorySource | VideoSource;

/** What was given as a source is none. */
export class SourceError extends Error {
  readonly code = 'source-malformed';
}

const EXPECTED = 'Expected --source dir:PATH, ffmpeg:INPUT, gst:PIPELINE or none';

/**
 * @param text of `--source`
 * @param loop of `--loop`
 * @param absolute makes a path absolute
 * @returns null for `none`: frames come from applications only
 * @throws SourceError
 */
export const parseSource = (
  text: string | undefined,
  loop: boolean,
  absolute: (path: string) => string,
): CaptureSource | null => {
  // Whatever it is may hold a password: no message repeats it.
  const [, kind, rest = ''] = /^(dir|ffmpeg|gst):(.*\S.*)$/s.exec(text ?? '') ?? [];
  if (loop && kind !== 'ffmpeg') {
    throw new SourceError(
      'Expected --loop beside --source ffmpeg:FILE: a folder is shown over and over anyway, and a camera does not end.',
    );
  }
  if (kind === 'dir') return { kind: 'directory', path: absolute(rest) };
  if (kind === 'ffmpeg') return { kind: 'ffmpeg', loop, ...inputOf(rest.trim()) };
  if (kind === 'gst') return { kind: 'gst', pipeline: rest.trim() };
  if (text === 'none') return null;
  const got = text === undefined ? 'nothing' : text.startsWith('/') ? `"${text}"` : 'something else';
  throw new SourceError(`${EXPECTED}, got ${got}.`);
};

/** `INPUT`, or `-OPTION VALUE … INPUT` with words as in a shell. */
const inputOf = (text: string): Pick<FfmpegSource, 'input' | 'options'> => {
  if (!text.startsWith('-')) return { input: text, options: [] };
  const words = wordsOf(text);
  const input = words.at(-1);
  if (input === undefined || input.startsWith('-') || words.length < 2) {
    throw new SourceError(
      'Expected an input behind its options in --source, e.g. "ffmpeg:-f v4l2 -video_size 1280x720 /dev/video0".',
    );
  }
  return { input, options: words.slice(0, -1) };
};

/** Words as a shell splits them: blanks may stand in quotes. */
export const wordsOf = (text: string): string[] =>
  (text.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? []).map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'));

const SCHEME = /^[a-z][a-z0-9+.-]*:/i;
/** User and password in an address, up to the last @ before the path: passwords may hold one. */
const USER_INFO = /([a-z][a-z0-9+.-]*:\/\/)([^\s/]*)@/gi;
const GST_SECRET = /\b(user-id|user-pw|password|passphrase|proxy-pw|proxy-id)(\s*=\s*)("[^"]*"|\S+)/gi;

/** Whether an input of ffmpeg is an address, and no file or device. */
export const isAddress = (input: string): boolean => SCHEME.test(input);

/** Whether an address holds what nobody else on the board should read. */
export const holdsSecret = (input: string): boolean => input.search(USER_INFO) === 0;

/** A source as people may read it in logs, results and telemetry: without passwords. */
export const nameOf = (source: CaptureSource): string => {
  if (source.kind === 'directory') return source.path;
  if (source.kind === 'gst') return `gst:${source.pipeline.split(/[\s!]/)[0]}`;
  const { input } = source;
  return isAddress(input) ? input.replace(USER_INFO, '$1').replace(/\?.*$/s, '') : input;
};

/** Takes the secrets of a source out of what somebody has said about it. */
export const secretHider = (source: VideoSource): ((words: string) => string) => {
  const secrets = secretsOf(source).filter((secret) => secret.length > 2);
  return (words) => {
    const shown = words.replace(USER_INFO, '$1…@').replace(GST_SECRET, '$1$2…');
    return secrets.reduce((text, secret) => text.replaceAll(secret, '…'), shown);
  };
};

const secretsOf = (source: VideoSource): string[] => {
  if (source.kind === 'gst') {
    return [...source.pipeline.matchAll(GST_SECRET)].map(([, , , value = '']) => value.replaceAll('"', ''));
  }
  const userInfo = source.input.matchAll(USER_INFO).next().value?.[2] ?? '';
  const colon = userInfo.indexOf(':');
  const password = colon < 0 ? userInfo : userInfo.slice(colon + 1);
  const query = isAddress(source.input) ? (/\?(.*)$/s.exec(source.input)?.[1] ?? '') : '';
  return [userInfo, password, decoded(password), query];
};

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
