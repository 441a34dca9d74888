// A call: one room of the SDK and what the page shows of it. Follows the SDK's events; keeps no second truth.

import { Chat } from "./chat.js";
import { explainFault } from "./devices.js";
import { Grid } from "./grid.js";
import { openScreen, SCREEN_NAME } from "./screen.js";
import { Tile } from "./tile.js";

const isCamera = ({ trackName }) => trackName !== SCREEN_NAME;
const isOn = (publications) => [...publications.values()].filter(isCamera).some(({ track }) => track?.isEnabled);

/**
 * Joins the SDK's room to the page. `show` holds what the page is told:
 * state(text or null), people(list), toast(text), message(author, text), device(kind, isOn), screen(isOn), left(error).
 */
export class Call {
  constructor(room, devices, elements, show) {
    this.room = room;
    this.devices = devices;
    this.show = show;
    this.grid = new Grid(elements.tiles);
    this.tiles = new Map();
    this.screens = new Map();
    this.speakers = new Set();
    this.outputId = "";
    this.screenTrack = null;
    this.isLeaving = false;
    this.chat = new Chat({ messages: elements.messages, form: elements.compose, input: elements.message, onArrived: show.message });
  }

  start() {
    const { room, devices } = this;
    const { localParticipant } = room;
    this.ownTile = this.addTile(localParticipant, `${localParticipant.identity} (you)`, true);
    localParticipant.on("networkQualityLevelChanged", (level) => this.ownTile.showQuality(level));
    localParticipant.on("trackPublicationFailed", (error, track) => this.show.toast(`Your ${track.name} cannot be sent: ${error.message}`));
    devices.onChange = (kind) => this.showOwn(kind);
    for (const kind of ["audio", "video"]) this.showOwn(kind);

    room.participants.forEach((participant) => this.addParticipant(participant));
    room.on("participantConnected", (participant) => {
      this.addParticipant(participant);
      this.show.toast(`${participant.identity} joined`);
    });
    room.on("participantDisconnected", (participant) => {
      this.removeParticipant(participant);
      this.show.toast(`${participant.identity} left`);
    });
    room.on("participantReconnecting", (participant) => this.showReconnecting(participant, "Reconnecting …"));
    room.on("participantReconnected", (participant) => this.showReconnecting(participant, null));
    room.on("dominantSpeakerChanged", (speaker) => {
      for (const [sid, tile] of this.tiles) tile.showSpeaking(sid === speaker?.sid);
    });
    room.on("reconnecting", (error) => {
      this.show.state(error?.code === 53001 ? "The connection was lost. Reconnecting …" : "Audio and video were interrupted. Reconnecting …");
    });
    room.on("reconnected", () => {
      this.show.state(null);
      this.show.toast("You are connected again");
    });
    room.on("disconnected", (_, error) => this.end(error));
    this.show.state(null);
    this.showPeople();
    this.publish(this.chat.track);
  }

  leave() {
    this.isLeaving = true;
    this.room.disconnect();
  }

  /** Turn microphone or camera off or on. Says why when it cannot be turned on. */
  async toggle(kind) {
    const { devices } = this;
    await devices.toggle(kind);
    if (devices.wanted[kind] && devices.faults[kind]) this.show.toast(explainFault(kind, devices.faults[kind]));
  }

  async toggleScreen() {
    if (this.screenTrack) return this.stopScreen();
    const track = await openScreen(() => this.stopScreen());
    if (!track) return undefined;
    this.screenTrack = track;
    this.show.screen(true);
    if (!(await this.publish(track, { priority: "high" }))) this.stopScreen();
    return undefined;
  }

  stopScreen() {
    const track = this.screenTrack;
    if (!track) return;
    this.screenTrack = null;
    this.room.localParticipant.unpublishTrack(track);
    track.stop();
    this.show.screen(false);
  }

  /** Resolves with whether it was published. Why not is told by "trackPublicationFailed". */
  publish(track, options) {
    return this.room.localParticipant.publishTrack(track, options).then(() => true, () => false);
  }

  /** Play what others say on this loudspeaker. */
  useOutput(deviceId) {
    this.outputId = deviceId;
    for (const element of this.speakers) this.route(element);
  }

  route(element) {
    element.setSinkId(this.outputId).catch((error) => this.show.toast(`This loudspeaker cannot be used: ${error.message}`));
  }

  /** Follow a change of one's own microphone or camera. */
  showOwn(kind) {
    const { devices, room: { localParticipant } } = this;
    const track = devices.tracks[kind];
    const isOn = devices.isOn(kind);
    const published = kind === "audio" ? localParticipant.audioTracks : localParticipant.videoTracks;
    if (isOn && ![...published.values()].some((publication) => publication.track === track)) this.publish(track);
    if (kind === "audio") this.ownTile.showMuted(!isOn);
    else {
      if (track && this.ownVideo !== track) this.ownTile.attachVideo(track);
      this.ownVideo = track;
      this.ownTile.showVideo(isOn);
    }
    if (devices.faults[kind] === "Lost") this.show.toast(explainFault(kind, "Lost"));
    this.show.device(kind, isOn);
    this.showPeople();
  }

  addTile(participant, label, isLocal = false) {
    const tile = new Tile(participant.identity, label, { isLocal });
    tile.root.dataset.sid = participant.sid;
    this.tiles.set(participant.sid, tile);
    this.grid.add(tile);
    return tile;
  }

  addParticipant(participant) {
    const tile = this.addTile(participant, participant.identity);
    if (participant.state === "reconnecting") tile.showNote("Reconnecting …");
    tile.showQuality(participant.networkQualityLevel);
    participant.on("networkQualityLevelChanged", (level) => tile.showQuality(level));
    for (const { track } of participant.tracks.values()) {
      if (track) this.addTrack(participant, track);
    }
    participant.on("trackSubscribed", (track) => this.addTrack(participant, track));
    participant.on("trackUnsubscribed", (track) => this.removeTrack(participant, track));
    const pictureOf = (track) => this.screens.get(track) ?? this.tiles.get(participant.sid);
    participant.on("trackSwitchedOff", (track) => pictureOf(track)?.showPaused(true));
    participant.on("trackSwitchedOn", (track) => pictureOf(track)?.showPaused(false));
    participant.on("trackEnabled", () => this.showRemoteTracks(participant));
    participant.on("trackDisabled", () => this.showRemoteTracks(participant));
    participant.on("trackSubscriptionFailed", (error) => this.show.toast(`A track of ${participant.identity} cannot be received: ${error.message}`));
    this.showRemoteTracks(participant);
  }

  removeParticipant(participant) {
    for (const { track } of participant.tracks.values()) {
      if (track) this.removeTrack(participant, track);
    }
    const tile = this.tiles.get(participant.sid);
    this.tiles.delete(participant.sid);
    if (tile) this.grid.remove(tile);
    this.showPeople();
  }

  showReconnecting(participant, note) {
    this.tiles.get(participant.sid)?.showNote(note);
    this.showPeople();
  }

  addTrack(participant, track) {
    if (track.kind === "data") {
      track.on("message", (message) => this.chat.receive(message, participant));
      return;
    }
    if (track.kind === "audio") {
      const element = track.attach();
      document.body.append(element);
      this.speakers.add(element);
      if (this.outputId) this.route(element);
    } else if (track.name === SCREEN_NAME) {
      this.addScreen(participant, track);
    } else {
      this.tiles.get(participant.sid)?.attachVideo(track);
    }
    this.showRemoteTracks(participant);
  }

  removeTrack(participant, track) {
    if (track.kind === "data") return;
    if (track.kind === "video" && track.name === SCREEN_NAME) this.removeScreen(track);
    else if (track.kind === "video") this.tiles.get(participant.sid)?.detachVideo();
    for (const element of track.detach()) {
      this.speakers.delete(element);
      element.remove();
    }
    this.showRemoteTracks(participant);
  }

  showRemoteTracks(participant) {
    const tile = this.tiles.get(participant.sid);
    tile?.showMuted(!isOn(participant.audioTracks));
    tile?.showVideo(isOn(participant.videoTracks));
    this.showPeople();
  }

  addScreen(participant, track) {
    const tile = new Tile(participant.identity, `${participant.identity}'s screen`, { isScreen: true });
    tile.attachVideo(track);
    this.screens.set(track, tile);
    this.grid.addScreen(tile);
    this.show.toast(`${participant.identity} shares a screen`);
  }

  removeScreen(track) {
    const tile = this.screens.get(track);
    this.screens.delete(track);
    if (tile) this.grid.remove(tile);
  }

  showPeople() {
    const { devices, room: { localParticipant, participants } } = this;
    this.show.people([
      { name: localParticipant.identity, isLocal: true, hasMicrophone: devices.isOn("audio"), hasCamera: devices.isOn("video") },
      ...[...participants.values()].map((participant) => ({
        name: participant.identity,
        isReconnecting: participant.state === "reconnecting",
        hasMicrophone: isOn(participant.audioTracks),
        hasCamera: isOn(participant.videoTracks),
      })),
    ]);
  }

  end(error) {
    this.devices.onChange = () => {};
    this.devices.close();
    this.stopScreen();
    for (const participant of this.room.participants.values()) this.removeParticipant(participant);
    this.tiles.clear();
    this.screens.clear();
    this.grid.clear();
    // The SDK has an error for a room that ended, but none for a participant whom the server removed.
    this.show.left(error ?? (this.isLeaving ? null : new Error("You were removed from the room.")));
  }
}
