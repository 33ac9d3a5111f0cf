// The content of Yjs types as the server describes it in `documentAt { json }`, computed with the published Yjs package.

import { isDeepStrictEqual } from 'node:util';

import * as Y from 'yjs';

/** Returns the content of a root type: the steps of a text, or the nodes of XML. */
export function readRoot(root) {
  if (root instanceof Y.XmlFragment) return nodes(root.toArray());
  const steps = pieces(root);
  if (!(root instanceof Y.XmlText)) {
    return steps.map(({ insert, formats }) => ({ insert, ...(hasEntries(formats) && { attributes: formats }) }));
  }
  const content = nodes(steps.map(({ insert }) => insert));
  const attrs = root.getAttributes();
  return hasEntries(attrs) ? { attrs, content } : content;
}

/** Returns the nodes in a list. A text without attributes is its pieces. */
function nodes(values) {
  return values.flatMap((value) => {
    const isPlain = value instanceof Y.XmlText && !hasEntries(value.getAttributes());
    return isPlain ? textNodes(value) : [node(value)];
  });
}

function node(value) {
  if (value instanceof Y.Map) return value.toJSON();
  if (!(value instanceof Y.XmlText || value instanceof Y.XmlElement)) return value;
  const content = value instanceof Y.XmlText ? textNodes(value) : nodes(value.toArray());
  const attrs = value.getAttributes();
  return {
    ...(value instanceof Y.XmlElement && { type: value.nodeName }),
    ...(hasEntries(attrs) && { attrs }),
    ...(content.length > 0 && { content }),
  };
}

function textNodes(text) {
  return pieces(text).map(({ insert, formats }) => {
    if (typeof insert !== 'string') return node(insert);
    const marks = Object.entries(formats).sort(([one], [other]) => (one < other ? -1 : 1));
    return { type: 'text', ...(marks.length > 0 && { marks: marks.map(mark) }), text: insert };
  });
}

function mark([type, format]) {
  return typeof format === 'object' && hasEntries(format) ? { type, attrs: format } : { type };
}

function hasEntries(object) {
  return Object.keys(object).length > 0;
}

/** Returns the pieces of a text, joined where the formats are the same. */
function pieces(text) {
  const joined = [];
  for (const { insert, attributes: formats = {} } of text.toDelta()) {
    const last = joined.at(-1);
    const isText = typeof insert === 'string' && typeof last?.insert === 'string';
    if (isText && isDeepStrictEqual(last.formats, formats)) last.insert += insert;
    else joined.push({ insert, formats });
  }
  return joined;
}
