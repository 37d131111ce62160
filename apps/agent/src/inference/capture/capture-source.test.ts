import { describe, expect, it } from 'vitest';
import { nameOf, parseSource, secretHider, type VideoSource } from './capture-source.ts';
import { videoCommand } from './video-command.ts';

const parse = (text: string, loop = false) => parseSource(text, loop, (path) => `/abs/${path}`);
const video = (text: string): VideoSource => {
  const source = parse(text);
  if (source === null || source.kind === 'directory') throw new Error('no video source');
  return source;
};
const command = (text: string, change: { fps?: number; isFile?: boolean; isOldFfmpeg?: boolean } = {}) =>
  videoCommand(video(text), { fps: 5, isFile: false, isOldFfmpeg: false, ...change });

describe('a source', () => {
  it('is a folder, something for ffmpeg or GStreamer, or none', () => {
    expect(parse('dir:pictures')).toEqual({ kind: 'directory', path: '/abs/pictures' });
    expect(parse('ffmpeg:/data/a b.mp4', true)).toEqual({
      kind: 'ffmpeg',
      input: '/data/a b.mp4',
      options: [],
      loop: true,
    });
    expect(parse('ffmpeg:-f v4l2 -video_size 640x480 "/dev/my camera"')).toEqual({
      kind: 'ffmpeg',
      input: '/dev/my camera',
      options: ['-f', 'v4l2', '-video_size', '640x480'],
      loop: false,
    });
    expect(parse('gst:v4l2src ! jpegdec')).toEqual({ kind: 'gst', pipeline: 'v4l2src ! jpegdec' });
    expect(parse('none')).toBeNull();
  });

  it('has a name without a password', () => {
    expect(nameOf(video('ffmpeg:rtsp://ana:p@ss/w@cam:554/live?token=t0k3n'))).not.toMatch(/ana|t0k3n/);
    expect(nameOf(video('ffmpeg:rtsp://ana:secret@cam:554/live?token=t0k3n'))).toBe('rtsp://cam:554/live');
    expect(nameOf(video('ffmpeg:/data/what?.mp4'))).toBe('/data/what?.mp4');
    expect(nameOf(video('gst:rtspsrc location=rtsp://cam/1 user-pw=secret ! decodebin'))).toBe('gst:rtspsrc');
  });

  it('keeps its secrets out of what a program says', () => {
    const hide = secretHider(video('ffmpeg:rtsp://ana:s%40cret@cam/live?token=t0k3n'));
    const said = hide('rtsp://ana:s%40cret@cam/live?token=t0k3n: 401 for ana:s@cret; s%40cret');
    expect(said).not.toMatch(/s@cret|s%40cret|t0k3n/);
    expect(said).toContain('cam/live');
    const gst = secretHider(video('gst:rtspsrc location=rtsp://cam/1 user-id=ana user-pw="s3cr3t" ! decodebin'));
    expect(gst('could not set user-pw=s3cr3t; s3cr3t')).not.toContain('s3cr3t');
  });
});

describe("a video source's program", () => {
  it('never has a password in its command line', () => {
    const { args, input, network } = command('ffmpeg:-rtsp_transport udp -timeout 5 rtsp://ana:secret@cam/live?x=1');
    expect(args.join(' ')).not.toMatch(/ana|secret|cam/);
    expect(args).toContain('pipe:0');
    expect(input.split('\n')).toEqual([
      'ffconcat version 1.0',
      "file 'rtsp://ana:secret@cam/live?x=1'",
      "option rtsp_transport 'udp'",
      "option timeout '5'",
      '',
    ]);
    expect(network).toBe(true);
    expect(command('ffmpeg:rtsp://ana:secret@cam/live?x=1').input).toContain(
      "file 'rtsp://ana:secret@cam/live?x=1&tcp'",
    );
  });

  it('plays a file at its own pace, without a network, and over and over when asked to', () => {
    const file = video('ffmpeg:/data/a.mp4');
    const options = { fps: 5, isFile: true, isOldFfmpeg: false };
    const once = videoCommand(file, options);
    expect(once).toMatchObject({ program: 'ffmpeg', network: false, input: '' });
    expect(once.args).toContain('-re');
    expect(once.args).not.toContain('-stream_loop');
    expect(videoCommand({ ...file, loop: true } as VideoSource, options).args.join(' ')).toContain(
      '-stream_loop -1 -i',
    );
  });

  it('is given a pipeline word by word, as a shell would', () => {
    const { program, args } = command(`gst:videotestsrc ! textoverlay text="two words" ! video/x-raw,width=8`, {
      fps: 0.2,
    });
    expect(program).toBe('gst-launch-1.0');
    expect(args.slice(0, 6)).toEqual(['-q', 'videotestsrc', '!', 'textoverlay', 'text=two words', '!']);
    expect(args).toContain('max-rate=1');
  });

  it('takes options of the user after its own, so that they count', () => {
    const { args } = command('ffmpeg:-rtsp_transport udp rtsp://cam/live');
    expect(args.join(' ')).toContain('-rtsp_transport tcp -rtsp_transport udp -i rtsp://cam/live');
  });
});
