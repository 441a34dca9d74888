// The demo's own server: who may join, and who is there. Throws an Error with a sentence for people.

async function call(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, signal: AbortSignal.timeout(15_000) });
  } catch {
    throw new Error("This page's server cannot be reached.");
  }
  if (answer.status === 204) return null;
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(typeof body.message === "string" ? body.message : "The server did not understand that.");
  return body;
}

export function join(identity, room) {
  return call("api/join", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ identity, room }),
  });
}

/** Resolves with the identities of those who are in the room. */
export async function attendees(room) {
  const present = await call(`api/rooms/${encodeURIComponent(room)}/participants`);
  return present.map(({ identity }) => identity);
}

export function complete(room) {
  return call(`api/rooms/${encodeURIComponent(room)}/complete`, { method: "POST" });
}
