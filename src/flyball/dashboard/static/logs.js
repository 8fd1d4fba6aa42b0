// The last lines of a log, as plain text: instances, builds, stores, the balancer.

import { h, keyed, say } from "./dom.js";
import { get } from "./live.js";

const EVERY_MS = 1000;
const LINES = 400;

export class Logs {
  #of = ""; // whose lines these are
  #lines = [];
  #instead = "loading"; // stands where there are no lines
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

  /** List the logs. The chosen one stays in the list when its file is gone. */
  async load(chosen = this.name.value) {
    const kept = (await get("/api/logs")).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const names = chosen && !kept.includes(chosen) ? [chosen, ...kept] : kept;
    const newest = kept.findLast((name) => !/^(access|envoy|control|build-|store-)/.test(name)) ?? kept[0];
    keyed(this.name, names, (name) => name, (name) => h("option", { value: name }), (option, name) => say(option, kept.includes(name) ? name : `${name} (gone)`));
    this.name.value = chosen || newest || "";
    if (!this.name.value) this.#put("", [], "There is no log yet.");
  }

  /** Go to the log of that name. */
  async show(name) {
    await this.load(name);
    this.section.scrollIntoView();
    this.text.focus({ preventScroll: true });
    await this.#ask();
  }

  async #ask() {
    const name = this.name.value;
    if (!name) return;
    const asked = ++this.#asked;
    if (name !== this.#of) this.#put(name, [], "loading");
    try {
      const lines = await get(`/api/logs/${encodeURIComponent(name)}`, { lines: LINES });
      if (asked === this.#asked) this.#put(name, lines, "Nothing was written.");
    } catch (error) {
      if (asked !== this.#asked) return;
      if (!(error instanceof TypeError)) this.#put(name, [], error.message);
      else if (!this.#lines.length) this.#put(name, [], "The control plane does not answer."); // lines that were read stay
    }
  }

  #put(name, lines, instead) {
    this.#of = name;
    this.#lines = lines.some((line) => line.trim()) ? lines : [];
    this.#instead = instead;
    this.#draw();
  }

  #draw() {
    const sought = this.words.value.toLowerCase();
    const shown = sought ? this.#lines.filter((line) => line.toLowerCase().includes(sought)) : this.#lines;
    const bottom = this.text.scrollHeight - this.text.scrollTop - this.text.clientHeight < 30;
    say(this.text, shown.length ? shown.join("\n") : this.#lines.length ? "No line has these words." : this.#instead);
    if (bottom) this.text.scrollTop = this.text.scrollHeight;
  }
}
