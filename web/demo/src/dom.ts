// Builds elements.

type Attributes = Record<string, string | boolean | ((event: never) => void)>;

/**
 * Creates an element. A function becomes the listener of the event with its name; `true` sets an attribute without a value, and
 * `false` none.
 */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const created = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') created.addEventListener(key, value as EventListener);
    else if (typeof value === 'string') created.setAttribute(key, value);
    else created.toggleAttribute(key, value);
  }
  created.append(...children);
  return created;
}

/** The outlines of the icons, on a grid of 20 by 20. */
const ICONS = {
  bold: 'M6 4h5a3 3 0 0 1 0 6H6zm0 6h6a3 3 0 0 1 0 6H6z',
  italic: 'M9 4h5M6 16h5M12 4 8 16',
  heading: 'M5 4v12M15 4v12M5 10h10',
  bullets: 'M8 5h9M8 10h9M8 15h9M3.5 5h.01M3.5 10h.01M3.5 15h.01',
  numbers: 'M9 5h8M9 10h8M9 15h8M3 4l1.2-.6V8M3 13.2c.3-.9 2.2-.9 2.2.3 0 1-2.2 1.4-2.2 2.9h2.4',
  quote: 'M4 4v12M8 6h9M8 10h9M8 14h5',
  undo: 'M7 4 3.5 7.5 7 11M4 7.5h7.5a4.25 4.25 0 0 1 0 8.5H8',
  redo: 'm13 4 3.5 3.5L13 11M16 7.5H8.5a4.25 4.25 0 0 0 0 8.5H12',
  history: 'M3.5 10a6.5 6.5 0 1 0 2-4.7L3.5 7.2M3.5 3.5v3.7h3.7M10 6.5V10l2.5 1.5',
  offline: 'M6 3v4M12 3v4M4 7h10v3a5 5 0 0 1-10 0zM9 15v3M3 3l14 14',
  alone: 'M8 5H4v11h11v-4M11 4h5v5M16 4l-7 7',
  close: 'm5 5 10 10M15 5 5 15',
} as const;

export type IconName = keyof typeof ICONS;

/** Creates an icon that is hidden from screen readers. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 20 20');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(svg.namespaceURI, 'path') as SVGPathElement;
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}
