// Sharing one's screen: a second video track, named so that others know it.

const { LocalVideoTrack } = window.Twilio.Video;

export const SCREEN_NAME = "screen";

export const canShareScreen = () => Boolean(navigator.mediaDevices?.getDisplayMedia);

/** Resolves with a track, or with null when the person chose nothing. `onEnded` is called when the browser's own button stops it. */
export async function openScreen(onEnded) {
  let stream;
  try {
    stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: 15 } });
  } catch (error) {
    if (error.name === "NotAllowedError") return null;
    throw error;
  }
  const [mediaStreamTrack] = stream.getVideoTracks();
  mediaStreamTrack.contentHint = "detail"; // letters sharp rather than movement smooth
  const track = new LocalVideoTrack(mediaStreamTrack, { name: SCREEN_NAME });
  mediaStreamTrack.addEventListener("ended", onEnded);
  return track;
}
