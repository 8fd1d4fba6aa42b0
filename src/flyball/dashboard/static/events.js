// Every decision and refusal, newest first, with filters.

import { h, keyed, say, soon, when, words } from "./dom.js";
import { get } from "./live.js";

const KEPT = 1000;
const SHOWN = 200;
const PAGE = 200;
const GROUPS = {
  "Everything": null,
  "Scaling": ["scale_out", "scale_in", "scaled_by_hand", "held", "refused"],
  "Scaled out or in": ["scale_out", "scale_in", "scaled_by_hand"],
  "Held": ["held", "refused"],
  "Instances": ["launched", "in_service", "unhealthy", "draining", "terminated", "failed"],
  "Releases and rollouts": ["release_created", "build_completed", "build_failed", "rollout_started", "rollout_progress", "rollout_completed", "rollout_failed", "rolled_back", "rollback_failed"],
  "Trouble": ["unhealthy", "failed", "build_failed", "rollout_failed", "rolled_back", "rollback_failed", "store_restarted", "store_failed", "balancer_restarted", "balancer_failed", "balancer_took_over", "journal_set_aside", "disk", "firewall", "refused", "not_let_through", "certificate_refused"],
};

export class Events {
  #events = [];
  #service = null;

  constructor(root) {
    this.group = h("select", { id: "events-group", onchange: () => this.#draw() }, ...Object.keys(GROUPS).map((name) => h("option", {}, name)));
    this.words = h("input", { type: "search", id: "events-words", oninput: () => this.#draw() });
    this.count = h("span", { class: "small" });
    this.list = h("ol", { class: "events" });
    this.older = h("button", { type: "button", onclick: () => this.#more() }, "Older");
    root.append(
      h("p", { class: "filters" }, h("label", { for: "events-group" }, "Show"), this.group, h("label", { for: "events-words" }, "with the words"), this.words, this.count),
      h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Events, newest first" }, this.list, this.older),
    );
  }

  /** Load the newest events; returns the number of the last one. */
  async load() {
    const found = await get("/api/decisions", { limit: PAGE });
    const last = found.at(-1)?.id ?? 0;
    this.#events = [...found, ...this.#events.filter((one) => one.id > last)];
    this.older.hidden = found.length < PAGE;
    this.#draw();
    return last;
  }

  async #more() {
    const found = await get("/api/decisions", { limit: PAGE, before: this.#events[0]?.id ?? null });
    this.#events = [...found, ...this.#events].slice(0, KEPT);
    this.older.hidden = found.length < PAGE || this.#events.length >= KEPT;
    this.#draw(KEPT);
  }

  decide(event) {
    if (event.id && event.id <= (this.#events.at(-1)?.id ?? 0)) return false;
    this.#events.push(event);
    if (this.#events.length > KEPT) this.#events.splice(0, this.#events.length - KEPT);
    this.#drawSoon();
    return true;
  }

  #drawSoon = soon(() => this.#draw());

  choose(service) {
    if (service === this.#service) return;
    this.#service = service;
    this.#draw();
  }

  #draw(most = SHOWN) {
    const kinds = GROUPS[this.group.value];
    const sought = this.words.value.toLowerCase();
    const fits = (one) =>
      (kinds === null || kinds.includes(one.kind)) && (this.#service === null || one.service === this.#service || one.service === "") &&
      (sought === "" || `${one.service} ${words(one.kind)} ${one.reason}`.toLowerCase().includes(sought));
    const shown = this.#events.filter(fits).slice(-most).reverse();
    say(this.count, shown.length ? `${shown.length} shown` : "none");
    keyed(this.list, shown, (one) => one.id || `${one.at} ${one.reason}`, entry, () => {});
  }
}

function entry(event) {
  return h("li", { "data-kind": event.kind }, h("time", { datetime: new Date(event.at * 1000).toISOString() }, when(event.at)),
    h("span", { class: "service" }, event.service || "all"), h("b", { class: "kind" }, words(event.kind)), h("span", { class: "reason" }, event.reason));
}
