// What a browser's page on another origin may do and read.

import assert from "node:assert/strict";
import { test } from "node:test";

import { connect, server } from "./lib/client.mjs";

const ORIGIN = "https://page.example";
const client = connect();

test("a page may ask before it sends what the clients send", async () => {
  for (const [method, path] of [
    ["POST", "/threads"],
    ["POST", "/runs/stream"],
    ["PATCH", "/assistants/x"],
    ["DELETE", "/store/items"],
    ["PUT", "/store/items"],
  ]) {
    const response = await fetch(server + path, {
      method: "OPTIONS",
      headers: {
        origin: ORIGIN,
        "access-control-request-method": method,
        "access-control-request-headers": "content-type,x-api-key,last-event-id",
      },
    });
    assert.equal(response.status, 200);
    assert.match(response.headers.get("access-control-allow-origin"), /^(\*|https:\/\/page)/);
    assert.ok(response.headers.get("access-control-allow-methods").includes(method));
    const allowed = response.headers.get("access-control-allow-headers").toLowerCase();
    for (const name of ["content-type", "x-api-key", "last-event-id"]) {
      assert.ok(allowed === "*" || allowed.includes(name), allowed);
    }
  }
});

test("a page may read where a stream is, so that its client can come back", async () => {
  const response = await fetch(`${server}/runs/stream`, {
    method: "POST",
    headers: { origin: ORIGIN, "content-type": "application/json" },
    body: JSON.stringify({ assistant_id: "agent", input: { topic: "x" } }),
  });
  await response.text();
  assert.equal(response.status, 200);
  assert.match(response.headers.get("access-control-allow-origin"), /^(\*|https:\/\/page)/);
  const exposed = response.headers.get("access-control-expose-headers").toLowerCase();
  for (const name of ["location", "content-location", "x-pagination-total", "x-pagination-next"]) {
    assert.ok(exposed.split(/, */).includes(name), exposed);
  }
  const { headers } = response;
  assert.equal(headers.get("content-type"), "text/event-stream; charset=utf-8");
  assert.equal(headers.get("cache-control"), "no-store");
  assert.match(headers.get("location"), /^\/runs\/[0-9a-f-]{36}\/stream$/);
  assert.match(headers.get("content-location"), /^\/runs\/[0-9a-f-]{36}$/);
});

test("a refusal can be read by a page too", async () => {
  const response = await fetch(`${server}/threads/no-uuid`, { headers: { origin: ORIGIN } });
  assert.equal(response.status, 422);
  assert.ok(response.headers.get("access-control-allow-origin"));
  assert.match((await response.json()).detail, /UUID/);
});

test("a page looks whether the server is there before it begins", async () => {
  for (const path of ["/ok", "/info"]) {
    const response = await fetch(server + path, { headers: { origin: ORIGIN } });
    assert.equal(response.status, 200);
  }
  assert.equal((await client.assistants.search({ limit: 1 })).length, 1);
});
