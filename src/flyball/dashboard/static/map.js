// The path of a request: listener, rules, target groups with their instances, stores. Lines join them on wide screens.

import { h, keyed, number, plural, s, say, words } from "./dom.js";
import { get } from "./live.js";

const MANY = 120;

export class RouteMap {
  #links = [];
  #of = null;

  constructor(root) {
    this.lines = s("svg", { class: "lines", "aria-hidden": "true" });
    this.columns = h("div", { class: "columns" });
    this.root = h("div", { class: "map" }, this.lines, this.columns);
    root.append(this.root);
    new ResizeObserver(() => this.#draw()).observe(this.root);
  }

  async load() {
    const found = await get("/api/map");
    this.#of = found;
    const nodes = { rules: found.rules.map((rule, i) => this.#rule(rule, i)), groups: found.groups.map((group) => this.#group(group)), stores: found.stores.map((store) => node(`store-${store.name}`, store.name, store.kind)) };
    const { listener } = found;
    const entrance = node("listener", listener.url, [listener.tls ? "TLS, HTTP/2" : "HTTP", `idle timeout ${number(listener.idle_timeout_s)} s`, listener.firewall.length ? `firewall: ${listener.firewall.join(", ")}` : null].filter(Boolean).join("; "));
    entrance.append(h("p", { class: "live" }));
    const column = (title, items) => h("div", {}, h("h3", {}, title), ...items);
    const parts = [column("Listener", [entrance]), column("Rules", nodes.rules), column("Target groups", nodes.groups)];
    if (nodes.stores.length) parts.push(column("Stores", nodes.stores));
    this.columns.replaceChildren(...parts);
    this.#links = [
      ...found.rules.map((_, i) => ["listener", `rule-${i}`]),
      ...found.rules.flatMap((rule, i) => rule.to.map((to) => [`rule-${i}`, `group-${to.service}`])),
      ...found.groups.flatMap((group) => group.stores.map((store) => [`group-${group.name}`, `store-${store}`])),
    ];
    this.#draw();
    if (this.last) this.show(this.last);
  }

  #rule({ priority, when, to, answer }, position) {
    const total = to.reduce((sum, one) => sum + one.weight, 0);
    const share = (one) => (to.length > 1 ? `${one.service} (${Math.round((100 * one.weight) / (total || 1))} %)` : one.service);
    return node(`rule-${position}`, when, `${priority === null ? "default" : priority}: ${answer ?? `to ${to.map(share).join(", ")}`}`);
  }

  #group(group) {
    const element = node(`group-${group.name}`, group.name, `${words(group.algorithm)}, checks ${group.health}${group.sticky ? ", sticky" : ""}`);
    element.append(h("p", { class: "live" }), h("ul", { class: "dots", "aria-hidden": "true" }));
    return element;
  }

  show(state) {
    this.last = state;
    if (!this.#of) return;
    const refused = state.firewall.map((one) => `${one.rule} ${number(one.requests)}${one.action === "count" ? " (counted)" : ""}`);
    say(document.querySelector("#node-listener .live"), refused.length ? `refused: ${refused.join(", ")}` : "");
    for (const service of state.services) {
      const element = document.getElementById(`node-group-${service.name}`);
      if (!element) continue;
      const ill = service.instances.filter((one) => mark(one) === "unhealthy").length;
      const waiting = service.metrics.waiting;
      say(element.querySelector(".live"), `${plural(service.capacity.in_service, "instance")} in service${ill ? `, ${ill} unhealthy` : ""}, ${number(service.metrics.requests_per_second)} req/s${waiting ? `, ${number(waiting)} waiting` : ""}`);
      element.dataset.health = ill ? "unhealthy" : service.capacity.in_service ? "healthy" : "none";
      keyed(element.querySelector(".dots"), service.instances.slice(0, MANY), (one) => one.id, () => h("li"), (dot, one) => {
        dot.dataset.mark = mark(one);
        dot.title = `${one.id}: ${words(one.lifecycle)}, ${one.health}`;
      });
    }
  }

  #draw() {
    const frame = this.root.getBoundingClientRect();
    const wide = getComputedStyle(this.lines).display !== "none";
    this.lines.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
    this.lines.replaceChildren(...(wide ? this.#links.map(([from, to]) => link(from, to, frame)).filter(Boolean) : []));
  }
}

function node(id, title, text) {
  return h("div", { class: "node", id: `node-${id}` }, h("b", {}, title), h("p", {}, text));
}

function mark({ lifecycle, health }) {
  if (lifecycle === "in_service") return health === "unhealthy" ? "unhealthy" : "healthy";
  return lifecycle === "launching" ? "launching" : "leaving";
}

function link(from, to, frame) {
  const [a, b] = [from, to].map((id) => document.getElementById(`node-${id}`)?.getBoundingClientRect());
  if (!a || !b) return null;
  const [x1, y1, x2, y2] = [a.right - frame.left, a.top + a.height / 2 - frame.top, b.left - frame.left, b.top + b.height / 2 - frame.top];
  const bend = (x2 - x1) / 2;
  return s("path", { d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` });
}
