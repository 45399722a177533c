// The client under test, and small things that most tests need.

import assert from "node:assert/strict";

const { Client } = await import(process.env.SDK);

export const server = process.env.SERVER;
// What the newer client does and the older one does not.
export const repeatsParameters = process.env.SDK_VERSION === "1.15.0";
export const sendsTimezones = process.env.SDK_VERSION === "1.15.0";
export const ICE_CREAM = { topic: "ice cream" };
export const JOKE = "This is a joke about ice cream and cats";
export const NOBODY = "11111111-1111-4111-8111-111111111112";

/** The real client, unchanged. `requests` collects what it asks for: "GET /threads/…?a=b". */
export function connect({ url = server, requests = [], ...more } = {}) {
  const onRequest = (target, init) => {
    requests.push(`${init.method ?? "GET"} ${target.pathname}${target.search}`);
    return init;
  };
  return new Client({ apiUrl: url, apiKey: null, onRequest, ...more });
}

/** For `callerOptions`: a request that fails is not sent again, so that every failure is seen. */
export const ONCE = { maxRetries: 0 };

/** A client, and a promise that is kept when the server has begun its first answer to it. */
export function listening(url = server) {
  let answer;
  const answered = new Promise((resolve) => (answer = resolve));
  const told = async (...request) => {
    const response = await fetch(...request);
    answer();
    return response;
  };
  return { client: connect({ url, callerOptions: { ...ONCE, fetch: told } }), answered };
}

/** Everything that an async iterator gives. */
export async function all(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** Everything that an async iterator gives, and a promise that is kept when the first has come. */
export function reading(stream) {
  let begin;
  const begun = new Promise((resolve) => (begin = resolve));
  const parts = (async () => {
    const items = [];
    for await (const item of stream) {
      items.push(item);
      begin();
    }
    return items;
  })();
  return { begun: Promise.race([begun, parts]), parts };
}

/** [event, data] of each part. */
export function pairs(parts) {
  return parts.map((part) => [part.event, part.data]);
}

/** The data of the parts with this event's name. */
export function data(parts, event) {
  return parts.filter((part) => part.event === event).map((part) => part.data);
}

/** The events' names, without the metadata that begins each attempt. */
export function names(parts) {
  return parts.map((part) => part.event).filter((event) => event !== "metadata");
}

/** Ids are numbers that only grow; a part may have none. */
export function assertGrowingIds(parts) {
  const ids = parts.filter((part) => part.id !== undefined).map((part) => BigInt(part.id));
  assert.ok(ids.length > 0, "no part has an id");
  for (let at = 1; at < ids.length; at += 1) {
    assert.ok(ids[at - 1] < ids[at], `${ids[at]} follows ${ids[at - 1]}`);
  }
}

/** Fails with an HTTP error of this status, with this said. */
export async function refused(promise, status, said) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.status, status, String(error));
    assert.match(error.message, said);
    return true;
  });
}

export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
export const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/;
