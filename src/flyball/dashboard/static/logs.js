// The last lines of any log: instances, builds, stores, the balancer. They are shown as they are, as text.

import { h, keyed, say } from "./dom.js";
import { get } from "./live.js";

const EVERY_MS = 1000;
const LINES = 400;

export class Logs {
  #lines = [];
  #seen = false;
  #asked = 0;

  constructor(root) {
    this.section = root.parentElement;
    this.name = h("select", { id: "log-name", onchange: () => this.#ask() });
    this.words = h("input", { type: "search", id: "log-words", oninput: () => this.#draw() });
    this.follow = h("input", { type: "checkbox", id: "log-follow", checked: true });
    this.text = h("pre", { tabindex: "0", role: "region", "aria-label": "Log lines" });
    root.append(
      h("p", { class: "filters" }, h("label", { for: "log-name" }, "Log of"), this.name, h("label", { for: "log-words" }, "lines with"), this.words, h("label", { for: "log-follow" }, this.follow, " follow")),
      this.text,
    );
    new IntersectionObserver(([entry]) => {
      this.#seen = entry.isIntersecting;
      if (this.#seen) this.#ask();
    }).observe(root);
    setInterval(() => {
      if (this.#seen && this.follow.checked && document.visibilityState === "visible") this.#ask();
    }, EVERY_MS);
  }

  async load() {
    const names = (await get("/api/logs")).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const chosen = this.name.value;
    keyed(this.name, names, (name) => name, (name) => h("option", { value: name }, name), () => {});
    const newest = names.findLast((name) => !/^(access|envoy|control|build-|store-)/.test(name)) ?? names[0];
    this.name.value = names.includes(chosen) && chosen ? chosen : newest ?? "";
  }

  /** Go to the log of that name. */
  async show(name) {
    await this.load();
    if (![...this.name.options].some((option) => option.value === name)) this.name.prepend(h("option", { value: name }, name));
    this.name.value = name;
    this.section.scrollIntoView();
    this.text.focus({ preventScroll: true });
    await this.#ask();
  }

  async #ask() {
    if (!this.name.value) return;
    const asked = ++this.#asked;
    try {
      const lines = await get(`/api/logs/${encodeURIComponent(this.name.value)}`, { lines: LINES });
      if (asked !== this.#asked) return;
      this.#lines = lines;
    } catch (error) {
      if (asked !== this.#asked || error instanceof TypeError) return; // away: what was read stays
      this.#lines = [error.message];
    }
    this.#draw();
  }

  #draw() {
    const sought = this.words.value.toLowerCase();
    const shown = sought ? this.#lines.filter((line) => line.toLowerCase().includes(sought)) : this.#lines;
    const bottom = this.text.scrollHeight - this.text.scrollTop - this.text.clientHeight < 30;
    say(this.text, shown.length ? shown.join("\n") : this.#lines.length ? "no line has these words" : "nothing was written");
    if (bottom) this.text.scrollTop = this.text.scrollHeight;
  }
}
