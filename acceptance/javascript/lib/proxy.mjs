// A TCP proxy that cuts connections in the middle of what the server says.

import { once } from "node:events";
import net from "node:net";

export class CuttingProxy {
  #server = net.createServer((socket) => this.#join(socket));
  #target;
  #lengths;
  cuts = 0;

  /** `lengths`: after how many bytes of the server's answer the first, second, … connection that
   * lives so long is cut. When they are used up, no more is. */
  static async stand(t, target, lengths) {
    const proxy = new CuttingProxy();
    proxy.#target = new URL(target);
    proxy.#lengths = [...lengths];
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    t.after(() => proxy.#server.close());
    return proxy;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  #join(client) {
    const server = net.connect(Number(this.#target.port), this.#target.hostname);
    let passed = 0;
    const end = () => {
      client.destroy();
      server.destroy();
    };
    client.on("error", end).on("close", end).pipe(server);
    server.on("error", end).on("end", () => client.end());
    server.on("data", (bytes) => {
      const room = (this.#lengths[0] ?? Infinity) - passed;
      passed += bytes.length;
      if (bytes.length < room) {
        client.write(bytes);
        return;
      }
      this.#lengths.shift();
      this.cuts += 1;
      server.removeAllListeners("data");
      client.write(bytes.subarray(0, room), end);
    });
  }
}
