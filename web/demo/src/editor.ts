// The editor: Tiptap with the Yjs document, the carets of others, and a toolbar.

import { Editor, type ChainedCommands } from '@tiptap/core';
import Collaboration from '@tiptap/extension-collaboration';
import CollaborationCaret from '@tiptap/extension-collaboration-caret';
import { Placeholder } from '@tiptap/extensions';
import StarterKit from '@tiptap/starter-kit';

import { describeHiddenBody, FIELD } from './body';
import type { Collaboration as OpenDocument } from './collaboration';
import { element, icon, type IconName } from './dom';

export function createEditor(open: OpenDocument, place: HTMLElement): Editor {
  const { id, name } = open.session.account;
  const note = element('p', { class: 'note', role: 'status' });
  place.append(note);
  // A document whose content is elsewhere is read-only, because what is typed here would be beside that content.
  const mayType = () => open.wasOpen && open.mayEdit && note.textContent === '';
  const mode = () => ({ editable: mayType(), editorProps: { attributes: attributesOf(name, mayType()) } });
  const editor = new Editor({
    element: place,
    // The styles of the page include those of Tiptap, which its policy would refuse otherwise.
    injectCSS: false,
    ...mode(),
    extensions: [
      // Collaboration has its own undo, which reverts local changes only. A trailing node would be a change by those who may
      // only read.
      StarterKit.configure({ undoRedo: false, trailingNode: false, link: { openOnClick: false } }),
      Placeholder.configure({ placeholder: 'Start writing…' }),
      Collaboration.configure({ document: open.doc, field: FIELD }),
      CollaborationCaret.configure({
        provider: open.provider,
        // The server replaces it with what it knows, so nobody can pass as someone else.
        user: { id, name },
        render: ({ id, name, color }) => {
          const caret = element('span', { class: 'caret', 'data-user': id }, element('span', { class: 'caret-name' }, name));
          caret.style.setProperty('--person', color);
          return caret;
        },
        selectionRender: ({ color }) => ({ class: 'selected', style: `--person: ${color}` }),
      }),
    ],
  });
  open.provider.awareness?.on('change', ({ updated }: { updated: number[] }) => {
    const states = open.provider.awareness!.getStates();
    const moved = new Set(updated.map((client) => states.get(client)?.user?.id));
    for (const caret of place.querySelectorAll<HTMLElement>('.caret')) if (moved.has(caret.dataset.user)) showNameAgain(caret);
  });
  editor.on('transaction', () => keepNamesInside(place));
  open.subscribe(() => {
    const words = describeHiddenBody(open.doc) ?? '';
    if (note.textContent !== words) note.textContent = words;
    if (editor.isEditable !== mayType()) editor.setOptions(mode());
  });
  return editor;
}

/** Returns the attributes of the text. Tiptap ignores a function in their place until the options change. */
function attributesOf(name: string, isEditable: boolean): Record<string, string> {
  return {
    'aria-label': `Document, as ${name}`,
    'aria-description': 'Escape leads to the toolbar',
    'aria-multiline': 'true',
    'aria-readonly': String(!isEditable),
    class: 'prose',
    role: 'textbox',
    tabindex: '0',
  };
}

/** A name stands on the right of its caret, or on the left if the sheet ends before. */
function keepNamesInside(place: HTMLElement): void {
  const { right } = place.getBoundingClientRect();
  for (const name of place.querySelectorAll<HTMLElement>('.caret-name')) {
    const start = name.parentElement!.getBoundingClientRect().left;
    name.classList.toggle('on-left', start + name.offsetWidth > right);
  }
}

/** The name at a caret fades away some time after the caret has moved. */
function showNameAgain(caret: HTMLElement): void {
  for (const fading of caret.getAnimations({ subtree: true })) {
    fading.cancel();
    fading.play();
  }
}

interface Tool {
  icon: IconName;
  label: string;
  run: (chain: ChainedCommands) => ChainedCommands;
  /** The mark or node that the tool switches on and off. */
  switches?: string;
}

const TOOLS: Tool[] = [
  { icon: 'bold', label: 'Bold', run: (chain) => chain.toggleBold(), switches: 'bold' },
  { icon: 'italic', label: 'Italic', run: (chain) => chain.toggleItalic(), switches: 'italic' },
  { icon: 'heading', label: 'Heading', run: (chain) => chain.toggleHeading({ level: 2 }), switches: 'heading' },
  { icon: 'bullets', label: 'Bulleted list', run: (chain) => chain.toggleBulletList(), switches: 'bulletList' },
  { icon: 'numbers', label: 'Numbered list', run: (chain) => chain.toggleOrderedList(), switches: 'orderedList' },
  { icon: 'quote', label: 'Quote', run: (chain) => chain.toggleBlockquote(), switches: 'blockquote' },
  { icon: 'undo', label: 'Undo', run: (chain) => chain.undo() },
  { icon: 'redo', label: 'Redo', run: (chain) => chain.redo() },
];

/**
 * Creates the toolbar of an editor. It is one stop of the Tab key; the arrow keys move within it. In lists the Tab key belongs to
 * the text, so Escape leads from the text to the toolbar.
 */
export function createToolbar(editor: Editor, open: OpenDocument): HTMLElement {
  const buttons = TOOLS.map(({ icon: name, label, run }, index) => {
    const attributes = { type: 'button', class: 'tool', 'aria-label': label, title: label, tabindex: index === 0 ? '0' : '-1' };
    return element('button', { ...attributes, click: () => run(editor.chain().focus()).run() }, icon(name));
  });
  const move = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const present = buttons.indexOf(document.activeElement as HTMLButtonElement);
    if (!step || present < 0) return;
    const next = buttons[(present + step + buttons.length) % buttons.length]!;
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  };
  editor.view.dom.addEventListener('keydown', ({ key }) => {
    if (key === 'Escape') buttons.find(({ tabIndex }) => tabIndex === 0)!.focus();
  });
  // A mouse leaves the focus, and with it the selection, in the editor.
  const keepFocus = (event: MouseEvent) => event.preventDefault();
  const attributes = { role: 'toolbar', class: 'toolbar', 'aria-label': 'Formatting', keydown: move, mousedown: keepFocus };
  const toolbar = element('div', attributes, ...buttons);
  const show = () =>
    TOOLS.forEach(({ switches }, index) => {
      buttons[index]!.disabled = !editor.isEditable;
      if (switches) buttons[index]!.ariaPressed = String(editor.isActive(switches));
    });
  editor.on('transaction', show);
  open.subscribe(show);
  show();
  return toolbar;
}
