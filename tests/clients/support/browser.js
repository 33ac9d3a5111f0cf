// Debian's Chromium, without a screen. Its windows do not share a profile, and keep what their pages complain of.

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
    assert.ok(existsSync(EXECUTABLE), `There is no ${EXECUTABLE}. Install chromium, or name one with CHROMIUM.`);
    const browser = new Browser();
    browser.#profile = await mkdtemp(path.join(os.tmpdir(), 'coscribe-chromium-'));
    browser.#chromium = await puppeteer.launch({
      executablePath: EXECUTABLE,
      args: ARGUMENTS,
      userDataDir: browser.#profile,
    });
    return browser;
  }

  /** Opens a page in a window that takes itself for the one in front. */
  async open(address) {
    const context = await this.#chromium.createBrowserContext();
    const page = await context.newPage();
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
    /** What the page logged as a warning or an error, and what it did not catch. */
    this.complaints = [];
    page.on('pageerror', (error) => this.complaints.push(String(error?.stack ?? error)));
    page.on('console', (message) => {
      if (['error', 'warn'].includes(message.type())) this.complaints.push(`${message.type()}: ${message.text()}`);
    });
  }

  /** What `question` returns in the page. */
  ask(question, ...parts) {
    return within(this.#page.evaluate(question, ...parts), 'The page answers');
  }

  /** Clicks into the middle of what `selector` finds, once it is there. */
  async click(selector) {
    await until(`${selector} is there`, () => this.#page.$(selector));
    await this.#page.click(selector);
  }

  /** Types `text`, key by key, where the cursor is. */
  type(text) {
    return this.#page.keyboard.type(text);
  }

  /** Presses keys together. */
  async press(...keys) {
    const { keyboard } = this.#page;
    for (const key of keys) await keyboard.down(key);
    for (const key of keys.reverse()) await keyboard.up(key);
  }

  close() {
    return this.#context.close();
  }
}
