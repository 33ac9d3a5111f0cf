// Divides a large Yjs update into parts that are sent one after the other with `applyUpdate`.
//
// A part may be sent when the document has what its structs depend on: their neighbours, their parents, and what the same client
// has inserted before. So each struct comes after these, and deletions come last.

/**
 * Divides a Yjs v1 update into v1 updates, to be applied in this order. Only a single struct, such as a long text, makes a part
 * larger than `bytes`.
 *
 * @param Y the Yjs package, version 13
 * @param {Uint8Array} update as `Y.encodeStateAsUpdate` returns it
 * @param {{ structs?: number, bytes?: number }} most what a part has at most
 * @returns {Generator<Uint8Array>}
 */
export function* divideUpdate(Y, update, { structs = 4_000, bytes = 4 << 20 } = {}) {
  const { structs: all, ds } = Y.decodeUpdate(update);
  let part = new Part(Y);
  for (const struct of inOrder(all)) {
    const encoded = encode(Y, (encoder) => struct.write(encoder, 0));
    if (part.structs > 0 && (part.structs >= structs || part.bytes + encoded.length > bytes || !part.accepts(struct))) {
      yield part.finish();
      part = new Part(Y);
    }
    part.add(struct, encoded);
  }
  if (part.structs > 0) yield part.finish();
  for (const [client, ranges] of ds.clients) {
    for (let at = 0; at < ranges.length; at += structs) yield deletions(Y, client, ranges.slice(at, at + structs));
  }
}

/** Returns all structs, each after those that it depends on. */
function inOrder(all) {
  const queues = new Map();
  for (const struct of all) {
    if (!queues.has(struct.id.client)) queues.set(struct.id.client, { structs: [], next: 0 });
    queues.get(struct.id.client).structs.push(struct);
  }
  const order = [];
  for (const client of queues.keys()) {
    const waiting = [{ client, until: Infinity }];
    while (waiting.length > 0) {
      const { client, until } = waiting.at(-1);
      const queue = queues.get(client);
      const struct = queue.structs[queue.next];
      if (struct === undefined || struct.id.clock >= until) {
        waiting.pop();
        continue;
      }
      const missing = dependencies(struct).find((id) => isWaiting(queues.get(id.client), id));
      if (missing) {
        if (waiting.some(({ client }) => client === missing.client)) throw new Error('the structs depend on each other in a cycle');
        waiting.push({ client: missing.client, until: missing.clock + 1 });
      } else {
        order.push(struct);
        queue.next += 1;
      }
    }
  }
  return order;
}

function dependencies({ origin, rightOrigin, parent }) {
  return [origin, rightOrigin, parent].filter((id) => typeof id?.clock === 'number');
}

function isWaiting(queue, { clock }) {
  const next = queue?.structs[queue.next];
  const last = queue?.structs.at(-1);
  return next !== undefined && next.id.clock <= clock && clock < last.id.clock + last.length;
}

/** Structs that are sent together. */
class Part {
  constructor(Y) {
    this.Y = Y;
    this.sections = [];
    this.clients = new Set();
    this.structs = 0;
    this.bytes = 0;
  }

  /** An update has the structs of a client in one piece. */
  accepts({ id: { client } }) {
    return !this.clients.has(client) || this.sections.at(-1).id.client === client;
  }

  add({ id }, encoded) {
    if (this.sections.at(-1)?.id.client !== id.client) this.sections.push({ id, encoded: [] });
    this.sections.at(-1).encoded.push(encoded);
    this.clients.add(id.client);
    this.structs += 1;
    this.bytes += encoded.length;
  }

  finish() {
    const pieces = [numbers(this.Y, [this.sections.length])];
    for (const { id, encoded } of this.sections) pieces.push(numbers(this.Y, [encoded.length, id.client, id.clock]), ...encoded);
    return joined([...pieces, numbers(this.Y, [0])]);
  }
}

function deletions(Y, client, ranges) {
  return numbers(Y, [0, 1, client, ranges.length, ...ranges.flatMap(({ clock, len }) => [clock, len])]);
}

function encode(Y, write) {
  const encoder = new Y.UpdateEncoderV1();
  write(encoder);
  return encoder.toUint8Array();
}

function numbers(Y, all) {
  return encode(Y, (encoder) => all.forEach((number) => encoder.writeLen(number)));
}

function joined(pieces) {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
