// A picture that tells which source drew it and which number it has, and the reader of it.
//
// The picture is a grid of 8 x 6 cells. Row 0 holds the source's number, rows 1 and 2 the frame's number, row 3 the XOR of these three
// bytes and 0xa5, each most significant bit first, white for one. Rows 4 and 5 are a colour that changes with every frame. The cells are so large
// that the first, coarse key frame of an encoder is readable too.

const COLUMNS = 8;
const ROWS = 6;
const SALT = 0xa5;
const READ_CELL = 8; // pixels a side in the reader's small copy

const bytesOf = (source, number) => [source, number >> 8, number & 255, source ^ (number >> 8) ^ (number & 255) ^ SALT];

/** Draws numbered pictures at a steady rate; `track` is the MediaStreamTrack. */
export class PatternSource {
  constructor({ source, width, height, fps }) {
    this.source = source;
    this.number = 0;
    this.canvas = Object.assign(document.createElement('canvas'), { width, height });
    this.context = this.canvas.getContext('2d');
    const stream = this.canvas.captureStream(0);
    this.track = stream.getVideoTracks()[0];
    this.requester = this.track.requestFrame ? this.track : stream; // Firefox has requestFrame() on the stream
    this.draw();
    this.timer = setInterval(() => this.draw(), 1000 / fps);
  }

  draw() {
    const { canvas, context } = this;
    const [width, height] = [canvas.width / COLUMNS, canvas.height / ROWS];
    this.number = (this.number + 1) & 0xffff;
    bytesOf(this.source, this.number).forEach((byte, row) => {
      for (let column = 0; column < COLUMNS; column++) {
        context.fillStyle = byte & (0x80 >> column) ? '#fff' : '#000';
        context.fillRect(column * width, row * height, width, height);
      }
    });
    for (let column = 0; column < COLUMNS; column++) {
      context.fillStyle = `hsl(${(this.number * 7 + column * 45) % 360} 100% 50%)`;
      context.fillRect(column * width, 4 * height, width, 2 * height);
    }
    this.requester.requestFrame();
  }

  stop() {
    clearInterval(this.timer);
    this.track.stop();
  }
}

/**
 * Reads every picture that a <video> presents. `frames` counts all, `read` lists
 * [milliseconds of the epoch, source, number] of those that could be read.
 */
export class PatternReader {
  constructor(video) {
    this.video = video;
    this.frames = 0;
    this.read = [];
    this.firstAt = null;
    const copy = Object.assign(document.createElement('canvas'), { width: COLUMNS * READ_CELL, height: ROWS * READ_CELL });
    this.context = copy.getContext('2d', { willReadFrequently: true });
    video.requestVideoFrameCallback(at => this.present(performance.timeOrigin + at));
  }

  present(at) {
    this.frames += 1;
    this.firstAt ??= at;
    const bytes = this.bytes();
    if (bytes[3] === bytesOf(bytes[0], (bytes[1] << 8) | bytes[2])[3]) {
      this.read.push([at, bytes[0], (bytes[1] << 8) | bytes[2]]);
    }
    this.video.requestVideoFrameCallback(later => this.present(performance.timeOrigin + later));
  }

  bytes() {
    const { canvas } = this.context;
    this.context.drawImage(this.video, 0, 0, canvas.width, canvas.height);
    const { data } = this.context.getImageData(0, 0, canvas.width, canvas.height);
    return [0, 1, 2, 3].map(row => {
      let byte = 0;
      for (let column = 0; column < COLUMNS; column++) {
        const x = column * READ_CELL + READ_CELL / 2;
        const y = row * READ_CELL + READ_CELL / 2;
        byte = (byte << 1) | (data[4 * (y * canvas.width + x) + 1] > 127 ? 1 : 0);
      }
      return byte;
    });
  }
}
