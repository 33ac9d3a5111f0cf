// A reverse proxy that serves a server under a prefix of the path, which it removes.

import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';

export class PrefixProxy {
  #prefix;
  #target;
  #listener;
  #sockets = new Set();
  /** The paths of requests that did not begin with the prefix. */
  outside = [];

  /** Starts a proxy for the server at the address `target`. */
  static async start(prefix, target) {
    const proxy = new PrefixProxy();
    proxy.#prefix = prefix;
    proxy.#target = new URL(target);
    proxy.#listener = createServer((incoming, outgoing) => proxy.#forward(incoming, outgoing));
    proxy.#listener.on('upgrade', (incoming, socket, head) => proxy.#upgrade(incoming, socket, head));
    proxy.#listener.on('connection', (socket) => proxy.#keep(socket));
    proxy.#listener.listen(0, '127.0.0.1');
    await once(proxy.#listener, 'listening');
    proxy.url = `http://127.0.0.1:${proxy.#listener.address().port}${prefix}`;
    return proxy;
  }

  async stop() {
    this.#listener.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#listener, 'close');
  }

  #keep(socket) {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {}); // The other side has gone.
  }

  /** Returns the path at the server, or nothing outside of the prefix. */
  #inner(path) {
    if (path.startsWith(`${this.#prefix}/`)) return path.slice(this.#prefix.length);
    this.outside.push(path);
    return undefined;
  }

  #forward(incoming, outgoing) {
    const path = this.#inner(incoming.url);
    if (path === undefined) {
      outgoing.writeHead(404).end();
      return;
    }
    const { hostname, port } = this.#target;
    const { method, headers } = incoming;
    const forwarded = request({ hostname, port, method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    forwarded.on('error', () => outgoing.destroy());
    incoming.pipe(forwarded);
  }

  #upgrade(incoming, socket, head) {
    const path = this.#inner(incoming.url);
    if (path === undefined) {
      socket.destroy();
      return;
    }
    const { hostname, port } = this.#target;
    const server = connect(port, hostname, () => {
      const lines = [`GET ${path} HTTP/1.1`];
      for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
        lines.push(`${incoming.rawHeaders[at]}: ${incoming.rawHeaders[at + 1]}`);
      }
      server.write(`${lines.join('\r\n')}\r\n\r\n`);
      server.write(head);
      server.pipe(socket).pipe(server);
    });
    this.#keep(server);
  }
}
