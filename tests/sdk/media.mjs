// A customer's server on the stock Node helper: recording rules, settings, compositions, hooks and transcriptions of one room.
//
// node media.mjs BASE_URL ACCOUNT_SID AUTH_TOKEN ROOM_NAME

import twilio from 'twilio';

const [base, accountSid, authToken, uniqueName] = process.argv.slice(2);

const client = twilio(accountSid, authToken);
client.video.baseUrl = base;
const { rooms, recordings, recordingSettings, compositions, compositionHooks } = client.video.v1;

const room = await rooms.create({ uniqueName });
const rules = await rooms(room.sid).recordingRules.update({ rules: [{ type: 'include', kind: 'audio' }] });
const refused = await rooms(room.sid).recordingRules.update({ rules: [] }).catch(({ status, code }) => ({ status, code }));
const settings = await recordingSettings().create({ friendlyName: 'by Node' });

const videoLayout = { main: { video_sources: ['*'], reuse: 'show_newest' } };
const composition = await compositions.create({ roomSid: room.sid, videoLayout });
const composed = await compositions.list({ roomSid: room.sid });

const spec = { friendlyName: uniqueName, audioSources: ['*'], enabled: false };
const hook = await compositionHooks.create(spec);
const updated = await compositionHooks(hook.sid).update({ ...spec, format: 'mp4' });

const begun = await rooms(room.sid).transcriptions.create({ configuration: { languageCode: 'en-US' } });
const stopped = await rooms(room.sid).transcriptions(begun.ttid).update({ status: 'stopped' });

console.log(JSON.stringify({
  rules: rules.rules,
  refused,
  recordings: {
    ofRoom: (await rooms(room.sid).recordings.list()).length,
    ofAccount: (await recordings.list({ groupingSid: [room.sid] })).length,
  },
  settings: { friendlyName: settings.friendlyName, encryptionEnabled: settings.encryptionEnabled },
  composition: {
    status: composition.status,
    layout: composition.videoLayout.main.reuse,
    listed: composed.some(({ sid }) => sid === composition.sid),
    removed: await compositions(composition.sid).remove(),
  },
  hook: {
    enabled: hook.enabled,
    resolution: hook.resolution,
    updated: updated.format,
    removed: await compositionHooks(hook.sid).remove(),
  },
  transcription: {
    status: stopped.status,
    configuration: stopped.configuration,
    listed: (await rooms(room.sid).transcriptions.list()).length,
  },
}));
