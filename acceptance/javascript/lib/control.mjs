// Kills, stops and starts the server of this file's tests.

import { once } from "node:events";
import net from "node:net";

const [host, port] = (process.env.CONTROL ?? ":").split(":");

async function tell(word) {
  const socket = net.connect(Number(port), host);
  socket.setEncoding("utf8");
  socket.end(`${word}\n`);
  let said = "";
  socket.on("data", (text) => (said += text));
  await once(socket, "close");
  return said.trim();
}

/** End the server at once (SIGKILL). */
export const kill = () => tell("kill");
/** Ask the server to stop (SIGTERM), and wait until it has. */
export const stop = () => tell("stop");
/** Start it again with the same database, on the same port. */
export const start = () => tell("start");

/** Wait until the server takes no new connection. */
export async function deaf() {
  while (await hears());
}

async function hears() {
  const { hostname, port } = new URL(process.env.SERVER);
  const socket = net.connect(Number(port), hostname);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
