// Why a call did not begin or did not go on, in sentences.

const REASONS = {
  20103: "The video server does not accept this page's API key.",
  20104: "You waited too long: your admission has expired. Join again.",
  53000: "The video server cannot be reached.",
  53001: "The connection was lost and did not come back.",
  53006: "The video server is busy. Try again in a moment.",
  53105: "This room is full.",
  53118: "The room has ended.",
  53119: "There are too many calls on this server. Try again later.",
  53205: "You joined again with the same name, in another window or on another device.",
  53206: "There are too many people on this server. Try again later.",
  53216: "Your time in this room is over.",
  53305: "The video server has no room for audio and video at the moment. Try again later.",
  53405: "Audio and video do not get through. A firewall may block UDP.",
};

/** Errors of the SDK have a code; the server of this page writes sentences itself. */
export const explain = (error) => REASONS[error.code] ?? (error.code ? `${error.message} (${error.code})` : error.message);
