// Why it scaled: a service's metric and thresholds, its wanted and actual instances, and every decision.

import { Chart, MARKS } from "./charts.js";
import { h, keyed, number, say, soon, when } from "./dom.js";
import { get } from "./live.js";
import { Series } from "./series.js";

const KINDS = Object.keys(MARKS);
const LISTED = 60;
const LOADED = 500;
const UNITS = { cpu: " %", memory: " %", errors: " %", requests: " per minute and instance", p50: " ms", p95: " ms", p99: " ms" };
const NAMES = { cpu: "CPU", memory: "Memory", requests: "Requests", errors: "Errors", p50: "Latency p50", p95: "Latency p95", p99: "Latency p99" };

/** One panel per service. */
export class Why {
  #panels = new Map();

  constructor(root) {
    this.root = root;
  }

  show(state, service, range) {
    const names = state.services.map((one) => one.name);
    for (const [name, panel] of this.#panels) {
      if (!names.includes(name)) {
        panel.root.remove();
        this.#panels.delete(name);
      }
    }
    for (const one of state.services) {
      let panel = this.#panels.get(one.name);
      if (!panel) {
        panel = new Panel(this.root, one.name);
        this.#panels.set(one.name, panel);
        panel.load(range, state.at);
      }
      panel.root.hidden = service !== null && service !== one.name;
      if (!panel.root.hidden) panel.show(one, state.at);
      else panel.keep(one, state.at);
    }
  }

  load(range, now) {
    for (const panel of this.#panels.values()) panel.load(range, now);
  }

  decide(event) {
    if (!KINDS.includes(event.kind)) return;
    for (const [name, panel] of this.#panels) if (event.service === name || event.service === "") panel.decide(event);
  }
}

class Panel {
  #decisions = [];
  #metric = null;
  #charts = [];
  #thresholds = "";
  #series;
  #now = "";

  constructor(root, name) {
    this.name = name;
    this.#series = new Series(name);
    this.title = h("h3", {}, name);
    this.sentence = h("p", { class: "sentence" });
    this.choice = h("fieldset", { class: "metrics" }, h("legend", {}, `Metric of ${name}`));
    this.plots = h("div", { class: "plots" });
    this.list = h("ol", { class: "decisions" });
    this.none = h("p", { class: "quiet" }, "No decision in this range.");
    const side = h("div", { class: "side" }, h("h4", {}, "Decisions"), this.none, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Decisions about ${name}` }, this.list));
    this.root = h("article", { class: "why", id: `why-${name}` }, h("div", { class: "head" }, this.title, this.choice), this.sentence, h("div", { class: "split" }, this.plots, side));
    root.append(this.root);
  }

  async load(range, now) {
    this.range = range;
    const asked = { since: now - range, service: this.name, kind: KINDS, limit: LOADED };
    const [, decisions] = await Promise.all([this.#series.load(range, now), get("/api/decisions", asked)]);
    const known = new Set(decisions.map((one) => one.id));
    this.#decisions = [...decisions, ...this.#decisions.filter((one) => one.id > (decisions.at(-1)?.id ?? 0) && !known.has(one.id))];
    this.#list();
    if (this.last) this.#draw(this.last.at);
  }

  decide(event) {
    this.#decisions.push(event);
    if (this.#decisions.length > LOADED) this.#decisions.shift();
    this.#drawSoon();
  }

  #drawSoon = soon(() => {
    this.#list();
    if (this.last) this.#draw(Math.max(this.last.at, this.#decisions.at(-1)?.at ?? 0));
  });

  /** Collect data also while another service is shown. */
  keep(service, at) {
    if (this.range) this.#series.add([service], at);
  }

  show(service, at) {
    this.last = { service, at };
    this.keep(service, at);
    this.#choose(service);
    this.#chart(service);
    this.#draw(at);
    say(this.sentence, sentence(service, this.#decisions.at(-1)));
  }

  #choose(service) {
    const metrics = [...new Set(service.alarms.map((alarm) => alarm.metric))];
    if (!metrics.length) metrics.push("cpu");
    if (!metrics.includes(this.#metric)) this.#metric = metrics[0];
    this.choice.hidden = metrics.length < 2;
    const group = `metric-${this.name}`;
    keyed(this.choice, metrics, (metric) => metric, (metric) => {
      const input = h("input", { type: "radio", name: group, value: metric, onchange: () => this.#switch(metric) });
      return h("label", {}, input, NAMES[metric]);
    }, (label, metric) => {
      label.firstChild.checked = metric === this.#metric;
    });
  }

  #switch(metric) {
    this.#metric = metric;
    this.show(this.last.service, this.last.at);
  }

  /** Make the two charts, again when the metric or its thresholds change. */
  #chart(service) {
    const limits = service.alarms.filter((alarm) => alarm.metric === this.#metric);
    const now = JSON.stringify([this.#metric, limits.map((one) => [one.name, one.value, one.comparison])]);
    if (now === this.#thresholds) return;
    this.#thresholds = now;
    for (const chart of this.#charts) chart.remove();
    const unit = UNITS[this.#metric];
    const lines = limits.map((one, position) => ({
      key: `limit${position}`, label: `${one.comparison} ${number(one.value)}${short(this.#metric)}: ${one.to_alarm} of ${one.points} points`, unit: short(this.#metric),
      colour: one.comparison.startsWith(">") ? "--out" : "--in", dash: one.comparison.startsWith(">") ? [8, 4] : [2, 4], faint: true, value: one.value,
    }));
    this.#limits = lines;
    const sync = `why-${this.name}`;
    this.#charts = [
      new Chart(this.plots, { title: `${this.name}: ${NAMES[this.#metric]}${unit ? ` (${unit.trim()})` : ""}`, unit: short(this.#metric), height: 170, sync, series: [{ key: "value", label: NAMES[this.#metric], colour: "--s1" }, ...lines] }),
      new Chart(this.plots, { title: `${this.name}: instances`, height: 130, sync, least: 2, whole: true, series: [
        { key: "in_service", label: "in service", colour: "--s3", stepped: true, fill: true }, { key: "desired", label: "wanted", colour: "--s2", dash: [6, 4], stepped: true }] }),
    ];
  }

  #limits = [];

  #draw(now) {
    if (!this.#charts.length || !this.#series.range) return;
    const { columns } = this.#series;
    const metric = { at: columns.at, value: columns[this.#metric] };
    for (const { key, value } of this.#limits) metric[key] = columns.at.map(() => value);
    for (const chart of this.#charts) chart.marks = this.#decisions;
    const from = this.#series.from(now);
    this.#charts[0].set(metric, from, now);
    this.#charts[1].set(columns, from, now);
  }

  #list() {
    const shown = this.#decisions.slice(-LISTED).reverse();
    this.none.hidden = shown.length > 0;
    keyed(this.list, shown, (event) => event.id || `${event.at} ${event.reason}`, (event) => this.#entry(event), () => {});
  }

  #entry(event) {
    const { sign, word } = MARKS[event.kind];
    const change = event.from === null || event.to === null ? "" : ` ${event.from} → ${event.to}`;
    return h("li", { "data-kind": event.kind },
      h("button", { type: "button", class: "plain", onclick: () => this.#charts.forEach((chart) => chart.point(event.at)) },
        h("time", { datetime: new Date(event.at * 1000).toISOString() }, when(event.at)),
        h("b", { class: "kind" }, h("span", { "aria-hidden": "true" }, `${sign} `), `${word}${change}`)),
      h("span", { class: "reason" }, event.reason));
  }
}

const short = (metric) => (UNITS[metric].startsWith(" per") ? "/min" : UNITS[metric]);

/** The state of a service in one sentence. */
function sentence(service, last) {
  const { desired, in_service: there, min, max } = service.capacity;
  const alarmed = service.alarms.filter((alarm) => alarm.state === "ALARM" && !alarm.name.startsWith("rollout"));
  const parts = [there === desired ? `${there} of ${desired} wanted instances serve` : `${there} instances serve, ${desired} are wanted`];
  parts.push(`between ${min} and ${max} are allowed`);
  if (alarmed.length) parts.push(`in alarm: ${alarmed.map((one) => `${one.metric} ${one.comparison} ${number(one.value)}${short(one.metric)}`).join(", ")}`);
  else if (service.alarms.length) parts.push("no alarm");
  else parts.push("no scaling policy");
  return `${parts.join("; ")}.${last ? ` Last: ${last.reason}.` : ""}`;
}
