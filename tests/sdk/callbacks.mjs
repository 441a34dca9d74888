// Checks signatures of callbacks as a customer's server on the stock Node helper does. Prints as JSON which of them are valid.
//
// node callbacks.mjs AUTH_TOKEN '[SIGNATURE, URL, {PARAMETERS}]' ...

import twilio from 'twilio';

const [authToken, ...callbacks] = process.argv.slice(2);

const valid = callbacks.map((callback) => twilio.validateRequest(authToken, ...JSON.parse(callback)));
console.log(JSON.stringify(valid));
