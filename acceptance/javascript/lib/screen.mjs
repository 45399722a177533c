// The client's React hook in a component, as a chat's page uses it, without a browser.

import { after } from "node:test";

globalThis.window ??= globalThis; // the hook keeps nothing where there is none
const { create, createElement, useStream } = await import(new URL("react.js", process.env.SDK));

/** A page's session storage: with it, a page that is loaded anew joins its run. */
export function storage() {
  const kept = new Map();
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => kept.set(name, value),
    removeItem: (name) => kept.delete(name),
  };
}

/** A page that shows a stream. `seen` has what each rendering showed, `stream` what is there now. */
export function open(options) {
  const seen = [];
  const waiting = new Set();
  let stream;

  function Page() {
    stream = useStream({ apiUrl: process.env.SERVER, apiKey: null, ...options });
    seen.push({ messages: stream.messages, values: stream.values, loading: stream.isLoading });
    queueMicrotask(() => waiting.forEach((look) => look()));
    return null;
  }

  const page = create(createElement(Page));
  const close = () => page.unmount();
  after(close);

  /** Wait until what the page shows is as wanted. */
  function until(wanted) {
    return new Promise((resolve) => {
      const look = () => {
        if (!wanted(stream)) return;
        waiting.delete(look);
        resolve(stream);
      };
      waiting.add(look);
      look();
    });
  }

  /** Send something, and wait until the page has come to rest; one client waits by itself. */
  async function submits(...given) {
    const before = seen.length;
    await stream.submit(...given);
    const worked = () => seen.slice(before).some(({ loading }) => loading);
    return until(({ isLoading, isThreadLoading }) => worked() && !isLoading && !isThreadLoading);
  }

  return { seen, until, submits, close, now: () => stream };
}
