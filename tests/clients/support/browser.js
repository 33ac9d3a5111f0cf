// Headless Chromium. Each window has its own profile and records the warnings and errors of its page.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import puppeteer from 'puppeteer-core';

import { until, within } from './patience.js';

const EXECUTABLE = process.env.CHROMIUM || '/usr/bin/chromium';

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export class Browser {
  #chromium;
  #profile;

  static async launch() {
    assert.ok(existsSync(EXECUTABLE), `${EXECUTABLE} does not exist. Install Chromium, or set CHROMIUM to its path.`);
    const browser = new Browser();
    browser.#profile = await mkdtemp(path.join(os.tmpdir(), 'coscribe-chromium-'));
    browser.#chromium = await puppeteer.launch({
      executablePath: EXECUTABLE,
      args: ARGUMENTS,
      userDataDir: browser.#profile,
    });
    return browser;
  }

  /** Opens `address` in a window that behaves as if it had the focus. `before` runs in each of its pages before their scripts. */
  async open(address, { before } = {}) {
    const context = await this.#chromium.createBrowserContext();
    const page = await context.newPage();
    if (before) await page.evaluateOnNewDocument(before);
    const window = new Window(context, page);
    const session = await page.createCDPSession();
    await session.send('Emulation.setFocusEmulationEnabled', { enabled: true });
    await page.goto(address);
    return window;
  }

  async close() {
    await this.#chromium.close();
    await rm(this.#profile, { recursive: true, force: true });
  }
}

class Window {
  #context;
  #page;

  constructor(context, page) {
    this.#context = context;
    this.#page = page;
    /** Logged warnings and errors, and uncaught exceptions. */
    this.errors = [];
    /** The addresses of all requests, except those of WebSockets. */
    this.requests = [];
    page.on('request', (request) => this.requests.push(request.url()));
    page.on('pageerror', (error) => this.errors.push(String(error?.stack ?? error)));
    page.on('console', (message) => {
      if (['error', 'warn'].includes(message.type())) this.errors.push(`${message.type()}: ${message.text()}`);
    });
  }

  /** Sets the size of the window, and the colours that its user prefers (`light` or `dark`). */
  async emulate({ width, height, scheme }) {
    await this.#page.setViewport({ width, height });
    await this.#page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  }

  /** Takes the network away from the page, or gives it back. */
  setOffline(isOffline) {
    return this.#page.setOfflineMode(isOffline);
  }

  /** Loads the page again, or opens another address in the window. */
  async open(address = this.#page.url()) {
    await this.#page.goto(address);
  }

  /** Runs `script` in the page and returns its result. */
  evaluate(script, ...args) {
    return within(this.#page.evaluate(script, ...args), 'The script in the page returns');
  }

  /** Waits for the element that `selector` matches and clicks its centre. */
  async click(selector) {
    await until(`${selector} exists`, () => this.#page.$(selector));
    await this.#page.click(selector);
  }

  /** Types `text` at the cursor, key by key. */
  type(text) {
    return this.#page.keyboard.type(text);
  }

  /** Presses `keys` together. */
  async press(...keys) {
    const { keyboard } = this.#page;
    for (const key of keys) await keyboard.down(key);
    for (const key of keys.reverse()) await keyboard.up(key);
  }

  /** Loads `address` in place of the page, and forgets what that one logged. */
  async goto(address) {
    await this.#page.goto(address);
    this.errors.length = 0;
  }

  /** Loads the page again, as a user does. */
  async reload() {
    await this.#page.reload();
  }

  close() {
    return this.#context.close();
  }
}
