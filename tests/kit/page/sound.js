// A tone of a known pitch as a source, and the meter that hears which pitch and how loud.

let shared = null;
const audio = () => (shared ??= new AudioContext());

/** A sine tone; `track` is the MediaStreamTrack. */
export class ToneSource {
  constructor({ hertz }) {
    const destination = audio().createMediaStreamDestination();
    this.oscillator = new OscillatorNode(audio(), { frequency: hertz });
    this.oscillator.connect(new GainNode(audio(), { gain: 0.5 })).connect(destination);
    this.oscillator.start();
    this.track = destination.stream.getAudioTracks()[0];
  }

  stop() {
    this.oscillator.stop();
    this.track.stop();
  }
}

/** Listens to a track. */
export class ToneMeter {
  constructor(track) {
    this.analyser = new AnalyserNode(audio(), { fftSize: 8192, smoothingTimeConstant: 0 });
    audio().createMediaStreamSource(new MediaStream([track])).connect(this.analyser);
  }

  /** Root mean square of the last samples (full scale is 1) and the loudest frequency in Hz. */
  hear() {
    const samples = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(samples);
    const level = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
    const bins = new Float32Array(this.analyser.frequencyBinCount);
    this.analyser.getFloatFrequencyData(bins);
    const loudest = bins.indexOf(Math.max(...bins));
    return { level, hertz: (loudest * audio().sampleRate) / this.analyser.fftSize };
  }
}
