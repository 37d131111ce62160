#!/usr/bin/env node
// Asks the model on this board about a picture.
// Usage: ask.mjs SOCKET PICTURE      e.g. ask.mjs /var/lib/aviary/agent.sock door.jpg
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { basename, extname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const [socketPath, file] = process.argv.slice(2);
if (file === undefined) {
  console.error('Usage: ask.mjs SOCKET PICTURE');
  process.exit(2);
}
const bytes = readFileSync(file);
const type = `image/${extname(file).slice(1).toLowerCase().replace('jpg', 'jpeg')}`;

/** @returns {Promise<{ status: number, retryAfter: number, body: any }>} */
const ask = () =>
  new Promise((resolve, reject) => {
    const path = `/v1/infer?source=${encodeURIComponent(basename(file))}`;
    const headers = { 'content-type': type, 'content-length': bytes.length };
    const outgoing = request({ socketPath, method: 'POST', path, headers }, async (response) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) text += chunk;
      const retryAfter = Number(response.headers['retry-after'] ?? 0);
      resolve({ status: response.statusCode ?? 0, retryAfter, body: JSON.parse(text) });
    });
    outgoing.once('error', reject);
    outgoing.end(bytes);
  });

let answer = await ask();
// Busy, or between two releases: the agent says when to come again.
for (let tries = 1; answer.retryAfter > 0 && tries < 5; tries += 1) {
  await pause(answer.retryAfter * 1000);
  answer = await ask();
}
if (answer.status === 200) {
  console.log(JSON.stringify(answer.body));
} else {
  console.error(`${answer.body.code}: ${answer.body.detail}`);
  process.exitCode = 1;
}
