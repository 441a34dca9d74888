// A customer's server on the stock Node helper: only the base URL is changed. Does one walk and prints what it saw as JSON.
//
// node rooms.mjs BASE_URL ACCOUNT_SID AUTH_TOKEN KEY_SID KEY_SECRET ROOM_NAME

import twilio from 'twilio';

const [base, accountSid, authToken, keySid, keySecret, uniqueName] = process.argv.slice(2);

const client = twilio(accountSid, authToken);
client.video.baseUrl = client.api.baseUrl = base;

const room = await client.video.v1.rooms.create({ uniqueName });
const byName = await client.video.v1.rooms(uniqueName).fetch();
const listed = await client.video.v1.rooms.list({ uniqueName });
const refused = await client.video.v1.rooms.create({ uniqueName }).catch(({ status, code, message }) => ({ status, code, message }));
const participants = await client.video.v1.rooms(room.sid).participants.list();

const { AccessToken } = twilio.jwt;
const token = new AccessToken(accountSid, keySid, keySecret, { identity: 'node', ttl: 3600 });
token.addGrant(new AccessToken.VideoGrant({ room: uniqueName }));

const key = await client.newKeys.create({ friendlyName: 'made by Node' });
const keys = await client.keys.list();
const removed = await client.keys(key.sid).remove();

console.log(JSON.stringify({
  room: { sid: room.sid, uniqueName: room.uniqueName, status: room.status, created: room.dateCreated.toISOString() },
  byName: byName.sid,
  listed: listed.map(({ sid }) => sid),
  refused,
  participants: participants.length,
  token: token.toJwt(),
  key: { listed: keys.some(({ sid }) => sid === key.sid), removed },
  completed: (await client.video.v1.rooms(room.sid).update({ status: 'completed' })).status,
}));
