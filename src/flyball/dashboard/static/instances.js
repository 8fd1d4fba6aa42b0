// A table of instances, and two orders: scale a service, drain an instance.

import { bytes, h, keyed, lasting, number, percent, say, words } from "./dom.js";
import { chosen } from "./now.js";
import { ask, order } from "./tell.js";

const HEADS = ["Instance", "State", "Health check", "Release", "Zone", "Port", "CPU of its share", "Memory", "Req/s", "p95", "In flight", "Up", ""];
const NUMBERS = new Set(["Release", "Port", "Memory", "Req/s", "p95", "In flight", "Up"]);

export class Instances {
  #rows = h("tbody");

  constructor(root, showLog) {
    this.showLog = showLog;
    this.scales = h("div", { class: "scales" });
    const head = h("tr", {}, ...HEADS.map((name) => h("th", { scope: "col", class: NUMBERS.has(name) ? "number" : null }, name || h("span", { class: "unseen" }, "Orders"))));
    const area = h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Instances in a table" });
    area.append(h("table", { class: "dense" }, h("thead", {}, head), this.#rows));
    this.none = h("p", { class: "quiet", hidden: true }, "No instance runs.");
    root.append(this.scales, area, this.none);
  }

  show(state, service) {
    const services = chosen(state, service);
    keyed(this.scales, services, (one) => one.name, (one) => this.#scale(one), (form, one) => this.#wanted(form, one));
    const rows = services.flatMap((one) => one.instances.map((instance) => ({ ...instance, at: state.at, check: one.health })));
    keyed(this.#rows, rows, (one) => one.id, (one) => this.#row(one), fill);
    this.none.hidden = rows.length > 0;
  }

  #scale({ name, capacity }) {
    const wish = h("input", { type: "number", min: "0", max: String(capacity.max), value: String(capacity.desired), id: `wish-${name}`, required: true });
    wish.addEventListener("input", () => (wish.touched = true));
    const hold = h("select", { "aria-label": `How long policies leave ${name} alone` }, ...[[0, "policies continue at once"], [300, "hold 5 min"], [3600, "hold 1 h"]].map(([value, text]) => h("option", { value }, text)));
    const form = h("form", { class: "scale" }, h("label", { for: wish.id }, `${name}: instances wanted`), wish, hold, h("button", {}, "Scale"), h("span", { class: "small held" }));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      wish.touched = false;
      await order(`/api/services/${encodeURIComponent(name)}/scale`, { desired: Number(wish.value), hold_s: Number(hold.value) }, `${name} has ${wish.value} wanted instances already`);
    });
    return form;
  }

  #wanted(form, { capacity, held_until: until }) {
    const wish = form.querySelector("input");
    if (!wish.touched && document.activeElement !== wish) wish.value = String(capacity.desired);
    wish.max = String(capacity.max);
    const left = until === null ? 0 : until - Date.now() / 1000;
    say(form.querySelector(".held"), left > 0 ? `held by hand, ${lasting(left)} left` : "");
  }

  #row({ id }) {
    const cell = (attributes = {}) => h("td", attributes);
    const bar = h("meter", { min: 0, max: 100, high: 85, optimum: 0, "aria-label": `CPU of ${id}` });
    const log = h("button", { type: "button", class: "small", "aria-label": `Log of ${id}`, onclick: () => this.showLog(id) }, "Log");
    const drain = h("button", { type: "button", class: "small", "aria-label": `Drain ${id}` }, "Drain");
    drain.addEventListener("click", () => this.#drain(id));
    return h("tr", { id: `instance-${id}` }, h("th", { scope: "row" }, id),
      cell({ class: "state" }), cell({ class: "health" }), cell({ class: "number" }), cell(), cell({ class: "number" }),
      h("td", { class: "metered" }, bar, h("span")), ...Array.from({ length: 5 }, () => cell({ class: "number" })), h("td", { class: "orders" }, log, drain));
  }

  async #drain(id) {
    const yes = await ask(`Drain ${id}?`, "It gets no new requests, finishes those it has, and another instance takes its place.", "Drain");
    if (yes) await order(`/api/instances/${encodeURIComponent(id)}/drain`, {}, `${id} is leaving already`);
  }
}

function fill(row, one) {
  const [, state, health, release, zone, port, cpu, memory, rps, p95, flying, up, orders] = row.children;
  row.dataset.state = one.lifecycle;
  row.dataset.health = one.health;
  say(state, words(one.lifecycle));
  say(health, check(one));
  if (health.title !== one.detail) health.title = one.detail;
  say(release, String(one.release));
  say(zone, one.zone);
  say(port, one.port === null ? "–" : String(one.port));
  cpu.firstChild.value = Math.min(one.cpu_percent ?? 0, 100);
  say(cpu.lastChild, percent(one.cpu_percent));
  say(memory, bytes(one.memory_bytes));
  say(rps, number(one.requests_per_second === null ? null : Math.round(one.requests_per_second * 10) / 10));
  say(p95, one.p95_ms === null ? "–" : one.p95_ms < 1 ? "<1 ms" : `${number(one.p95_ms)} ms`);
  say(flying, number(one.in_flight));
  say(up, lasting(one.at - one.started_at));
  orders.lastChild.disabled = one.lifecycle === "draining" || one.lifecycle === "terminating";
}

/** What the last health check said, and how often it is made. */
function check(one) {
  if (one.lifecycle === "launching") return one.detail ? `starting: ${one.detail}` : "starting";
  if (one.health === "healthy") return `${one.check.path} passes, every ${number(one.check.interval_s)} s`;
  if (one.health === "unhealthy") {
    const since = one.unhealthy_since === null ? "" : ` for ${lasting(one.at - one.unhealthy_since)}`;
    return `${one.check.path} fails${since}`;
  }
  return one.health;
}
