// The body of a document: the root type of its Yjs document that has the content.

import * as Y from 'yjs';

/** The root type that the editor of this page shows: the one that Tiptap uses by default. */
export const FIELD = 'default';

/** The root type of the server itself. It has the name of the body, if one was chosen when the document was created. */
const OF_SERVER = 'coscribe';

/** A root type. Its kind is not known unless it was asked for. */
type Root = Y.AbstractType<Y.YEvent<any>>;

/** Returns what to tell about a document that has its content where this page does not show it. */
export function describeHiddenBody(doc: Y.Doc): string | undefined {
  const body = bodyOf(doc);
  if (body === undefined || body === FIELD) return undefined;
  return `This document has its content in \`${body}\`, which this page does not show.`;
}

/**
 * Returns the name of the body, as `documentAt { body }` of the server finds it: the chosen one, or else the first root type with
 * content, and none if there is no content.
 */
function bodyOf(doc: Y.Doc): string | undefined {
  const chosen = doc.getMap(OF_SERVER).get('body');
  if (typeof chosen === 'string') return chosen;
  const roots = [...doc.share].filter(([name, root]) => name !== OF_SERVER && hasContent(root));
  const ranked = roots.map(([name, root]) => ({ name, rank: rankOf(name, root) }));
  ranked.sort((one, other) => one.rank - other.rank || (one.name < other.name ? -1 : 1));
  return ranked[0]?.name;
}

function hasContent(root: Root): boolean {
  return root._length > 0 || [...root._map.values()].some(({ deleted }) => !deleted);
}

/** The text `content` comes first, then trees, texts and lists, and maps last. */
function rankOf(name: string, root: Root): number {
  if (root._length === 0) return 3;
  if (name === 'content') return 0;
  return isTree(root) ? 1 : 2;
}

/** Returns whether a root type has nodes of XML. */
function isTree(root: Root): boolean {
  for (let item = root._start; item; item = item.right) {
    if (item.deleted || !(item.content instanceof Y.ContentType)) continue;
    if (item.content.type instanceof Y.XmlElement || item.content.type instanceof Y.XmlText) return true;
  }
  return false;
}
