// Documents with formats, embedded objects, XML, maps and lists: random changes of them, and what users see.

import { isDeepStrictEqual } from 'node:util';

import * as Y from 'yjs';

/** Returns everything in a document that users can see. */
export function contentOf(doc) {
  return {
    text: pieces(doc.getText('content')),
    body: doc.getXmlFragment('default').toArray().map(node),
    cells: doc.getMap('cells').toJSON(),
    list: doc.getArray('list').toJSON(),
  };
}

function node(xml) {
  if (xml instanceof Y.XmlText) return pieces(xml);
  return { name: xml.nodeName, attributes: xml.getAttributes(), content: xml.toArray().map(node) };
}

/** Returns the pieces of a text, joined where the formats are the same. */
export function pieces(text) {
  const joined = [];
  for (const { insert, attributes = {} } of text.toDelta()) {
    const last = joined.at(-1);
    const isText = typeof insert === 'string' && typeof last?.insert === 'string';
    if (isText && isDeepStrictEqual(last.attributes, attributes)) last.insert += insert;
    else joined.push({ insert, attributes });
  }
  return joined;
}

export function asProseMirror({ name, attributes, content }) {
  const mark = ([type, attrs]) => (attrs === true ? { type } : { type, attrs });
  const text = ({ insert, attributes: formats }) => {
    const marks = Object.entries(formats).map(mark);
    return { type: 'text', text: insert, ...(marks.length > 0 && { marks }) };
  };
  return {
    type: name,
    ...(Object.keys(attributes).length > 0 && { attrs: attributes }),
    content: content.flat().map(text),
  };
}

export function paragraph(text, formats = {}) {
  const element = new Y.XmlElement('paragraph');
  const inner = new Y.XmlText();
  inner.insert(0, text, formats);
  element.insert(0, [inner]);
  return element;
}

/** Changes a document at random. */
export function change(doc, random) {
  const text = doc.getText('content');
  const body = doc.getXmlFragment('default');
  const cells = doc.getMap('cells');
  const list = doc.getArray('list');
  const key = random.pick(['a', 'b', 'c']);
  const formats = random.pick([{}, { bold: true }, { link: { href: `https://example.org/${key}` } }]);
  const changes = [
    () => text.insert(0, random.characters(4), formats),
    () => text.insert(text.length, random.characters(4)),
    () => text.insertEmbed(0, { image: `${key}.png` }),
    () => text.format(0, text.length, random.pick([{ bold: true }, { bold: null }])),
    () => text.delete(0, random.below(2) * text.length),
    () => body.insert(random.below(body.length + 1), [paragraph(random.characters(5), formats)]),
    () => body.delete(random.below(body.length), 1),
    () => body.get(random.below(body.length)).setAttribute(key, random.below(9)),
    () => body.get(random.below(body.length)).get(0).insert(0, random.characters(3), formats),
    () => cells.set(key, random.pick([1, 'two', null, { deep: [true] }])),
    () => cells.set(key, new Y.Map([['inner', random.below(9)]])),
    () => cells.delete(key),
    () => list.insert(random.below(list.length + 1), [random.below(9), { n: random.below(9) }]),
    () => list.delete(random.below(list.length), 1),
  ];
  const needsBlock = [6, 7, 8];
  const chosen = random.below(changes.length);
  const isPossible = (body.length > 0 || !needsBlock.includes(chosen)) && (list.length > 0 || chosen !== 13);
  doc.transact(() => (isPossible ? changes[chosen]() : changes[5]()));
}
