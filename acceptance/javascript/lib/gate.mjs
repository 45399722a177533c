// A gate on the loopback: steps of the graph `slow` wait there until the test lets them on.

import { once } from "node:events";
import net from "node:net";

export class Gate {
  #server = net.createServer((socket) => this.#meet(socket));
  #arrived = [];
  #expecting = [];
  #waiting = new Set();
  #isOpen = false;

  /** A gate that is open again when the test ends. */
  static async stand(t) {
    const gate = new Gate();
    gate.#server.listen(0, "127.0.0.1");
    await once(gate.#server, "listening");
    t.after(() => gate.close());
    return gate;
  }

  /** The input for a run of `slow` that waits here. */
  get input() {
    return { gate: `127.0.0.1:${this.#server.address().port}`, log: [] };
  }

  /** Wait until the next step stands here; its name. */
  async arrival() {
    if (this.#arrived.length > 0) return this.#arrived.shift();
    return new Promise((resolve) => this.#expecting.push(resolve));
  }

  /** Let on who waits now. */
  letOn() {
    for (const socket of this.#waiting) socket.write("on\n");
    this.#waiting.clear();
  }

  /** Let everybody on from now on. */
  open() {
    this.#isOpen = true;
    this.letOn();
  }

  close() {
    this.open();
    this.#server.close();
  }

  #meet(socket) {
    socket.on("error", () => this.#waiting.delete(socket));
    socket.on("close", () => this.#waiting.delete(socket));
    socket.once("data", (name) => {
      this.#waiting.add(socket);
      if (this.#expecting.length > 0) this.#expecting.shift()(name.toString().trim());
      else this.#arrived.push(name.toString().trim());
      if (this.#isOpen) this.letOn();
    });
  }
}
