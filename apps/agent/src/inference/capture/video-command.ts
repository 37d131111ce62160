import {
  type FfmpegSource,
  type GstSource,
  holdsSecret,
  isAddress,
  type VideoSource,
  wordsOf,
} from './capture-source.ts';

/** The descriptor on which frames come: not standard output, on which libraries like to talk. */
export const FRAMES_FD = 3;

/** How a video source's program is started. */
export interface VideoCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** What it reads on standard input. */
  readonly input: string;
  /** Whether it has to reach others over the network. */
  readonly network: boolean;
  /** The Debian package that has it. */
  readonly debian: string;
}

export interface VideoCommandOptions {
  /** Most frames per second. */
  readonly fps: number;
  /** The input is a file on the disk: it is played at its own pace. */
  readonly isFile: boolean;
  /** An ffmpeg before 5.1, which says `-vsync` for what is `-fps_mode` since. */
  readonly isOldFfmpeg: boolean;
}

/**
 * The program that turns a source into PPM pictures on `FRAMES_FD`. Frames beyond `fps` are left out in there, before
 * their colours are converted; none is shown twice.
 */
export const videoCommand = (source: VideoSource, options: VideoCommandOptions): VideoCommand =>
  source.kind === 'ffmpeg' ? ffmpegCommand(source, options) : gstCommand(source, options);

const ffmpegCommand = (source: FfmpegSource, { fps, isFile, isOldFfmpeg }: VideoCommandOptions): VideoCommand => {
  const hidden = holdsSecret(source.input);
  const args = [
    '-hide_banner',
    '-nostdin',
    ...['-loglevel', 'error'],
    // As a camera would show it, and not as fast as the disk gives it.
    ...(isFile ? ['-re'] : []),
    ...(isFile && source.loop ? ['-stream_loop', '-1'] : []),
    ...(hidden ? HIDDEN_INPUT : openInput(source)),
    ...['-map', '0:v:0', '-an', '-sn', '-dn'],
    ...['-vf', `select='${oncePerSlot(fps)}'`],
    ...[isOldFfmpeg ? '-vsync' : '-fps_mode', 'passthrough'],
    ...['-f', 'image2pipe', '-c:v', 'ppm', '-pix_fmt', 'rgb24', `pipe:${FRAMES_FD}`],
  ];
  return {
    program: 'ffmpeg',
    args,
    input: hidden ? hiddenList(source) : '',
    network: isAddress(source.input),
    debian: 'ffmpeg',
  };
};

/** RTP over UDP loses packets as soon as a frame is large: over TCP, unless the user says otherwise. */
const openInput = ({ input, options }: FfmpegSource): string[] => [
  ...(isRtsp(input) ? ['-rtsp_transport', 'tcp'] : []),
  ...options,
  '-i',
  input,
];

const isRtsp = (input: string): boolean => /^rtsps?:/i.test(input);

const HIDDEN_PROTOCOLS = 'pipe,fd,rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy,crypto,hls,rtmp,rtmps,srt';
/** Everybody on the board can read a command line: what holds a password comes as a list of one input on stdin. */
const HIDDEN_INPUT = ['-f', 'concat', '-safe', '0', '-protocol_whitelist', HIDDEN_PROTOCOLS, '-i', 'pipe:0'];

/** For ffmpeg's concat demuxer, whose `option` came with ffmpeg 5.0; RTSP's transport may stand in the address itself. */
const hiddenList = ({ input, options }: FfmpegSource): string => {
  const own = options.includes('-rtsp_transport');
  const address = isRtsp(input) && !own ? `${input}${input.includes('?') ? '&' : '?'}tcp` : input;
  const lines = ['ffconcat version 1.0', `file ${quoted(address)}`];
  for (const [i, option] of options.entries()) {
    const value = options[i + 1];
    if (option.startsWith('-') && value?.startsWith('-') === false)
      lines.push(`option ${option.slice(1)} ${quoted(value)}`);
  }
  return `${lines.join('\n')}\n`;
};

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * An expression of ffmpeg's select filter that takes the first frame of each 1/fps of a second. Counted from the first
 * frame and rounded, so that a source of just that rate loses none to the rounding of its time stamps.
 */
const oncePerSlot = (fps: number): string =>
  `isnan(prev_selected_t)+not(eq(round((t-start_t)*${fps}),round((prev_selected_t-start_t)*${fps})))`;

const gstCommand = ({ pipeline }: GstSource, { fps }: VideoCommandOptions): VideoCommand => {
  const most = `videorate drop-only=true max-rate=${Math.max(1, Math.round(fps))}`;
  const frames = `videoconvert ! video/x-raw,format=RGB ! pnmenc ! fdsink fd=${FRAMES_FD}`;
  return {
    program: 'gst-launch-1.0',
    // One word each: gst-launch-1.0 takes a blank within one as a part of a value.
    args: ['-q', ...wordsOf(pipeline), '!', ...wordsOf(`${most} ! ${frames}`)],
    input: '',
    // What is in a pipeline only GStreamer knows.
    network: true,
    debian: 'gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad',
  };
};
