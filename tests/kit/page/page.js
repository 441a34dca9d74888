// The client application of the tests: stock `twilio-video`, made to do what a test says and to note all that happens.
//
// Everything here uses the SDK as any application would. Tests call the functions of `window.kit`; arguments and results are plain values.

import { PatternReader, PatternSource } from './pattern.js';
import { ToneMeter, ToneSource } from './sound.js';

const { Video } = Twilio;

const events = [];
const sources = new Map(); // local track name -> PatternSource | ToneSource
const readers = new Map(); // remote track SID -> PatternReader
const meters = new Map(); // remote track SID -> ToneMeter
const messages = new Map(); // remote data track name -> received messages, in order
let room = null;

// All times are milliseconds of the epoch, so that those of two tabs compare.
const now = () => performance.timeOrigin + performance.now();

function note(event, fields = {}) {
  events.push({ event, at: now(), ...fields });
}

const failure = error => ({ code: error?.code ?? null, message: error?.message ?? String(error) });
const publicationFields = ({ trackSid, trackName, kind, isTrackEnabled, publishPriority }) =>
  ({ track: trackName, trackSid, kind, enabled: isTrackEnabled, priority: publishPriority });
const participantFields = participant => ({ identity: participant.identity, sid: participant.sid });

// Binary crosses to the test as hexadecimal text.
const toHex = buffer => Array.from(new Uint8Array(buffer), byte => byte.toString(16).padStart(2, '0')).join('');
const fromHex = text => Uint8Array.from(text.match(/../g) ?? [], pair => parseInt(pair, 16)).buffer;

// -- local tracks

const MAKERS = {
  audio({ name, hertz = 440 }) {
    const tone = new ToneSource({ hertz });
    sources.set(name, tone);
    return new Video.LocalAudioTrack(tone.track, { name, logLevel: 'off' });
  },
  video({ name, source = 1, width = 320, height = 240, fps = 15 }) {
    const pattern = new PatternSource({ source, width, height, fps });
    sources.set(name, pattern);
    return new Video.LocalVideoTrack(pattern.track, { name, logLevel: 'off' });
  },
  data({ name, kind, priority, ...options }) {
    return new Video.LocalDataTrack({ name, ...options });
  },
};

const makeTrack = wish => MAKERS[wish.kind](wish);
const localTrack = name => {
  const publication = [...room.localParticipant.tracks.values()].find(one => one.trackName === name);
  if (!publication) {
    throw new Error(`no local track ${name}`);
  }
  return publication.track;
};

// -- what the room tells

function subscribe(track, participant) {
  if (track.kind === 'data') {
    messages.set(track.name, messages.get(track.name) ?? []);
    track.on('message', data => messages.get(track.name).push(typeof data === 'string' ? data : { hex: toHex(data) }));
    return;
  }
  const element = track.attach();
  element.id = track.sid;
  element.dataset.participant = participant.identity;
  document.body.append(element);
  if (track.kind === 'video') {
    readers.set(track.sid, new PatternReader(element));
  } else {
    element.muted = true; // the meter listens; nothing needs to be heard
    meters.set(track.sid, new ToneMeter(track.mediaStreamTrack));
  }
}

function unsubscribe(track) {
  track.detach?.().forEach(element => element.remove());
}

function watch(joined) {
  const on = (name, describe) => joined.on(name, (...args) => note(name, describe(...args)));
  joined.participants.forEach(participant => {
    participant.tracks.forEach(publication => publication.track && subscribe(publication.track, participant));
  });
  joined.on('trackSubscribed', (track, publication, participant) => subscribe(track, participant));
  joined.on('trackUnsubscribed', track => unsubscribe(track));

  for (const name of ['participantConnected', 'participantDisconnected', 'participantReconnecting', 'participantReconnected']) {
    on(name, participantFields);
  }
  for (const name of ['trackPublished', 'trackUnpublished', 'trackEnabled', 'trackDisabled']) {
    on(name, (publication, participant) => ({ ...publicationFields(publication), ...participantFields(participant) }));
  }
  for (const name of ['trackSubscribed', 'trackUnsubscribed']) {
    on(name, (track, publication, participant) => ({ ...publicationFields(publication), ...participantFields(participant) }));
  }
  on('trackStarted', (track, participant) => ({ track: track.name, kind: track.kind, ...participantFields(participant) }));
  on('trackSubscriptionFailed', (error, publication, participant) =>
    ({ ...failure(error), ...publicationFields(publication), ...participantFields(participant) }));
  on('trackPublishPriorityChanged', (priority, publication, participant) =>
    ({ ...publicationFields(publication), ...participantFields(participant), priority }));
  for (const name of ['trackSwitchedOff', 'trackSwitchedOn']) {
    on(name, (track, publication, participant) => ({ ...publicationFields(publication), ...participantFields(participant) }));
  }
  on('dominantSpeakerChanged', participant => ({ identity: participant?.identity ?? null }));
  on('reconnecting', failure);
  on('reconnected', () => ({}));
  on('disconnected', (left, error) => (error ? failure(error) : { code: null }));
  on('recordingStarted', () => ({}));
  on('recordingStopped', () => ({}));
  const noteQuality = participant => participant.on('networkQualityLevelChanged', level =>
    note('networkQualityLevelChanged', { ...participantFields(participant), level }));
  noteQuality(joined.localParticipant);
  joined.participants.forEach(noteQuality);
  joined.on('participantConnected', noteQuality);
  joined.localParticipant.on('trackPublicationFailed', (error, track) =>
    note('trackPublicationFailed', { ...failure(error), track: track.name }));
}

const describeParticipant = participant => ({
  ...participantFields(participant),
  state: participant.state,
  tracks: [...participant.tracks.values()].map(publication => ({
    ...publicationFields(publication),
    subscribed: publication.isSubscribed ?? null,
  })),
});

const remoteData = name => {
  for (const participant of room.participants.values()) {
    for (const publication of participant.dataTracks.values()) {
      if (publication.trackName === name && publication.track) {
        return publication.track;
      }
    }
  }
  throw new Error(`not subscribed to data track ${name}`);
};

const remoteVideo = name => {
  for (const participant of room.participants.values()) {
    for (const publication of participant.videoTracks.values()) {
      if (publication.trackName === name && publication.track) {
        return publication.track;
      }
    }
  }
  throw new Error(`not subscribed to video track ${name}`);
};

window.kit = {
  events,

  /** Connect, with the tracks that `wishes` describes. Answers how long connect() took, or with its error's code. */
  async connect(token, options, wishes) {
    const tracks = wishes.map(makeTrack);
    const begun = now();
    try {
      room = await Video.connect(token, { insights: false, ...options, tracks });
    } catch (error) {
      wishes.forEach(wish => sources.get(wish.name)?.stop());
      return { error: failure(error) };
    }
    const connectMs = now() - begun;
    watch(room);
    return { begun, connectMs, ...this.state() };
  },

  state() {
    return {
      sid: room.sid,
      name: room.name,
      state: room.state,
      mediaRegion: room.mediaRegion,
      isRecording: room.isRecording,
      local: describeParticipant(room.localParticipant),
      participants: [...room.participants.values()].map(describeParticipant),
    };
  },

  leave: () => void room.disconnect(),

  async publish(wish) {
    try {
      const publication = await room.localParticipant.publishTrack(makeTrack(wish), { priority: wish.priority ?? 'standard' });
      return { track: publication.trackName, trackSid: publication.trackSid };
    } catch (error) {
      return { error: failure(error) };
    }
  },

  unpublish(name) {
    room.localParticipant.unpublishTrack(localTrack(name));
    sources.get(name)?.stop();
    sources.delete(name);
  },

  enable: name => void localTrack(name).enable(),
  disable: name => void localTrack(name).disable(),

  send(name, data) {
    localTrack(name).send(typeof data === 'string' ? data : fromHex(data.hex));
  },

  sendAll(name, list) {
    list.forEach(data => this.send(name, data));
  },

  received: name => messages.get(name) ?? [],

  dataOptions(name) {
    const { ordered, reliable, maxRetransmits, maxPacketLifeTime } = remoteData(name);
    return { ordered, reliable, maxRetransmits, maxPacketLifeTime };
  },

  /** Pictures of a remote video track since its beginning. */
  pictures(sid) {
    const reader = readers.get(sid);
    return reader ? { now: now(), frames: reader.frames, firstAt: reader.firstAt, read: reader.read } : null;
  },

  /** Frames of a video track that left this browser, or came to it, so far; whether they were shown or not. */
  async frames(name) {
    const isLocal = sources.has(name);
    const id = (isLocal ? localTrack(name) : remoteVideo(name)).mediaStreamTrack.id;
    const ends = [...window.connections].flatMap(connection => isLocal ? connection.getSenders() : connection.getReceivers());
    const own = ends.filter(({ track }) => track && (window.origins.get(track.id) ?? track.id) === id);
    const all = await Promise.all(own.map(end => end.getStats()));
    const streams = all.flatMap(report => [...report.values()].filter(one => /bound-rtp$/.test(one.type)));
    return streams.reduce((sum, one) => sum + ((isLocal ? one.framesSent : one.framesReceived) ?? 0), 0);
  },

  size(sid) {
    const { videoWidth, videoHeight } = document.getElementById(sid);
    return [videoWidth, videoHeight];
  },

  switchOff: name => void remoteVideo(name).switchOff(),
  switchOn: name => void remoteVideo(name).switchOn(),
  isSwitchedOff: name => remoteVideo(name).isSwitchedOff,
  setPriority: (name, priority) => void remoteVideo(name).setPriority(priority),

  /** How large a remote video track is wanted, whatever its element's size. */
  prefer: (name, width, height) => void remoteVideo(name).setContentPreferences({ renderDimensions: { width, height } }),

  /** Show or hide the element of a remote video track. */
  display(name, shown) {
    document.getElementById(remoteVideo(name).sid).style.display = shown ? '' : 'none';
  },

  hear: sid => meters.get(sid)?.hear() ?? null,

  /** RTP streams (`inbound-rtp` or `outbound-rtp`) and candidate pairs as the browser's own statistics have them. */
  async statistics(type) {
    const open = [...window.connections].filter(connection => connection.connectionState !== 'closed');
    const all = await Promise.all(open.map(connection => connection.getStats()));
    return all.flatMap(report => [...report.values()].filter(one => one.type === type));
  },

  /** The RTP streams that the browser receives, as the SDK tells them. */
  async inbound() {
    const reports = await room.getStats();
    return reports.flatMap(report => [
      ...report.remoteVideoTrackStats.map(({ trackSid, codec, framesReceived, packetsReceived, packetsLost, dimensions }) =>
        ({ kind: 'video', trackSid, codec, framesReceived, packetsReceived, packetsLost, dimensions })),
      ...report.remoteAudioTrackStats.map(({ trackSid, codec, bytesReceived, packetsReceived, packetsLost, audioLevel }) =>
        ({ kind: 'audio', trackSid, codec, bytesReceived, packetsReceived, packetsLost, audioLevel })),
    ]);
  },
};
