// A call: one room of the SDK and what the page shows of it. Follows the SDK's events; keeps no second truth.

import { Chat } from "./chat.js";
import { Grid } from "./grid.js";
import { openScreen, SCREEN_NAME } from "./screen.js";
import { Tile } from "./tile.js";

/**
 * Joins the SDK's room to the page. `show` holds what the page is told:
 * state(text, state), people(list), toast(text), message(author, text), microphone(isOn), camera(isOn), screen(isOn), left(reason).
 */
export class Call {
  constructor(room, elements, show) {
    this.room = room;
    this.show = show;
    this.grid = new Grid(elements.tiles);
    this.tiles = new Map();
    this.screens = new Map();
    this.screenTrack = null;
    this.chat = new Chat({ messages: elements.messages, form: elements.compose, input: elements.message, onArrived: show.message });
  }

  async start() {
    const { room } = this;
    const { localParticipant } = room;
    this.addTile(localParticipant, `${localParticipant.identity} (you)`, true);
    for (const publication of localParticipant.videoTracks.values()) {
      this.tiles.get(localParticipant.sid).attachVideo(publication.track);
    }
    this.showOwnTracks();
    localParticipant.on("networkQualityLevelChanged", (level) => this.tiles.get(localParticipant.sid)?.showQuality(level));
    localParticipant.on("trackPublicationFailed", (error) => this.show.toast(`Could not publish: ${error.message}`));

    room.participants.forEach((participant) => this.addParticipant(participant));
    room.on("participantConnected", (participant) => {
      this.addParticipant(participant);
      this.show.toast(`${participant.identity} joined`);
    });
    room.on("participantDisconnected", (participant) => {
      this.removeParticipant(participant);
      this.show.toast(`${participant.identity} left`);
    });
    room.on("participantReconnecting", (participant) => this.tiles.get(participant.sid)?.showNote("Reconnecting …"));
    room.on("participantReconnected", (participant) => this.tiles.get(participant.sid)?.showNote(null));
    room.on("dominantSpeakerChanged", (speaker) => {
      for (const [sid, tile] of this.tiles) tile.showSpeaking(sid === speaker?.sid);
    });
    room.on("reconnecting", (error) => {
      this.show.state(error?.code === 53001 ? "The connection was lost. Reconnecting …" : "Media was interrupted. Reconnecting …", "reconnecting");
    });
    room.on("reconnected", () => this.show.state("Connected", "connected"));
    room.on("disconnected", (_, error) => this.end(error));
    this.show.state("Connected", "connected");
    this.showPeople();
    await localParticipant.publishTrack(this.chat.track);
  }

  leave() {
    this.room.disconnect();
  }

  toggleMicrophone() {
    this.toggle(this.room.localParticipant.audioTracks);
  }

  toggleCamera() {
    this.toggle(this.room.localParticipant.videoTracks);
  }

  async toggleScreen() {
    if (this.screenTrack) return this.stopScreen();
    const track = await openScreen(() => this.stopScreen());
    if (!track) return undefined;
    this.screenTrack = track;
    try {
      await this.room.localParticipant.publishTrack(track, { priority: "high" });
      this.addScreen(this.room.localParticipant, track, "Your screen");
      this.show.screen(true);
    } catch (error) {
      this.stopScreen();
      this.show.toast(`Could not share: ${error.message}`);
    }
    return undefined;
  }

  stopScreen() {
    const track = this.screenTrack;
    if (!track) return;
    this.screenTrack = null;
    this.room.localParticipant.unpublishTrack(track);
    track.stop();
    this.removeScreen(track);
    this.show.screen(false);
  }

  toggle(publications) {
    for (const { track } of publications.values()) {
      if (track.name === SCREEN_NAME) continue;
      track.isEnabled ? track.disable() : track.enable();
    }
    this.showOwnTracks();
  }

  showOwnTracks() {
    const { localParticipant } = this.room;
    const isOn = (publications) => [...publications.values()].some(({ track }) => track.name !== SCREEN_NAME && track.isEnabled);
    const tile = this.tiles.get(localParticipant.sid);
    const [microphone, camera] = [isOn(localParticipant.audioTracks), isOn(localParticipant.videoTracks)];
    tile.showMuted(!microphone);
    tile.showVideo(camera);
    this.show.microphone(microphone);
    this.show.camera(camera);
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

  addTrack(participant, track) {
    if (track.kind === "data") {
      track.on("message", (data) => this.chat.receive(data, participant));
    } else if (track.kind === "audio") {
      const audio = track.attach();
      audio.hidden = true;
      document.body.append(audio);
    } else if (track.name === SCREEN_NAME) {
      this.addScreen(participant, track, `${participant.identity}'s screen`);
    } else {
      this.tiles.get(participant.sid)?.attachVideo(track);
    }
    this.showRemoteTracks(participant);
  }

  removeTrack(participant, track) {
    if (track.kind === "data") return;
    if (track.kind === "video" && track.name === SCREEN_NAME) this.removeScreen(track);
    else if (track.kind === "video") this.tiles.get(participant.sid)?.detachVideo();
    track.detach().forEach((element) => element.remove());
    this.showRemoteTracks(participant);
  }

  showRemoteTracks(participant) {
    const isOn = (publications) => [...publications.values()].some(({ track, trackName }) => trackName !== SCREEN_NAME && track?.isEnabled);
    const tile = this.tiles.get(participant.sid);
    tile?.showMuted(!isOn(participant.audioTracks));
    tile?.showVideo(isOn(participant.videoTracks));
    this.showPeople();
  }

  addScreen(participant, track, label) {
    const tile = new Tile(participant.identity, label, { isScreen: true });
    tile.attachVideo(track);
    this.screens.set(track, tile);
    this.grid.root.prepend(tile.root);
    this.grid.arrange();
  }

  removeScreen(track) {
    const tile = this.screens.get(track);
    this.screens.delete(track);
    if (tile) this.grid.remove(tile);
  }

  showPeople() {
    const { localParticipant, participants } = this.room;
    const describe = (participant, isLocal) => ({
      name: participant.identity,
      isLocal,
      hasMicrophone: [...participant.audioTracks.values()].some(({ track }) => track?.isEnabled),
      hasCamera: [...participant.videoTracks.values()].some(({ track, trackName }) => trackName !== SCREEN_NAME && track?.isEnabled),
    });
    this.show.people([describe(localParticipant, true), ...[...participants.values()].map((participant) => describe(participant, false))]);
  }

  end(error) {
    for (const { track } of this.room.localParticipant.tracks.values()) {
      if (track.kind === "data") continue;
      track.stop();
      track.detach().forEach((element) => element.remove());
    }
    for (const participant of this.room.participants.values()) this.removeParticipant(participant);
    this.tiles.clear();
    this.screens.clear();
    this.grid.clear();
    this.show.left(error);
  }
}
