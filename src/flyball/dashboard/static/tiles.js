// The six tiles, in the order and words of a monitoring dashboard, and what all of it would cost.

import { h, number, percent, plural, say } from "./dom.js";
import { chosen, health, together } from "./now.js";

export class Tiles {
  #parts = {};

  constructor(root) {
    const tile = (name, title, ...content) =>
      h("article", { class: `tile ${name}`, id: `tile-${name}` }, h("h2", {}, title), ...content);
    const part = (name, tag = "span", attributes = {}) => (this.#parts[name] = h(tag, attributes));
    root.append(
      tile("active", "Active Instances", part("active", "p", { class: "big" }), part("wanted", "p", { class: "small" })),
      tile("count", "Request Count", part("count", "p", { class: "big" }), part("errors", "p", { class: "small" })),
      tile(
        "cpu", "CPU Utilization (%)",
        h("p", { class: "metered" }, part("bar", "meter", { min: 0, max: 100, high: 85, optimum: 0, "aria-label": "CPU utilization" }), part("cpu", "b")),
        part("memory", "p", { class: "small" }),
      ),
      tile("latency", "Request Latency (ms)", this.#percentiles(part), part("slow", "p", { class: "small" })),
      tile("health", "Health Check Status", part("health", "p", { class: "big" }), part("unwell", "p", { class: "small" })),
      tile("scaling", "Scaling Events (Last 24h)", part("out", "p"), part("in", "p")),
      tile("cost", "Cost on AWS", part("hour", "p", { class: "big" }), part("rate", "p", { class: "small" }), part("today", "p"), part("month", "p")),
    );
  }

  #percentiles(part) {
    const one = (name) => h("span", {}, `${name}: `, part(name, "b"));
    return h("p", { class: "three" }, one("p50"), one("p95"), one("p99"));
  }

  show(state, service) {
    const now = together(chosen(state, service));
    const well = health(now.instances);
    const parts = this.#parts;
    say(parts.active, number(now.in_service));
    say(parts.wanted, `wanted ${number(now.desired)}, min ${number(now.min)}, max ${number(now.max)}`);
    say(parts.count, `${number(now.rps === null ? null : Math.round(now.rps * 60))} req/min`);
    say(parts.errors, now.eps > 0 ? `${number(now.eps * 60)} errors/min` : "no errors");
    parts.errors.classList.toggle("bad", now.eps > 0);
    parts.bar.value = Math.min(now.cpu ?? 0, 100);
    say(parts.cpu, percent(now.cpu));
    say(parts.memory, `of the reserved CPU; memory ${percent(now.memory)}`);
    for (const name of ["p50", "p95", "p99"]) say(parts[name], now[name] === null ? "–" : `${number(Math.round(now[name] * 10) / 10)}ms`);
    say(parts.slow, `${now.p50 === null ? "no requests " : ""}in the last ${now.period_s === 1 ? "second" : `${number(now.period_s)} s`}`);
    const good = well.all > 0 && well.healthy === well.all;
    say(parts.health, `Healthy: ${well.healthy}/${well.all}${good ? " ✓" : ""}`);
    parts.health.classList.toggle("bad", well.unhealthy > 0 || well.healthy === 0);
    say(parts.unwell, unwell(well));
    say(parts.out, `Scale Out: ${plural(now.scale_out, "event")}`);
    say(parts.in, `Scale In: ${plural(now.scale_in, "event")}`);
    this.#cost(state.cost);
  }

  /** Of the whole application: network and stores belong to no service. */
  #cost({ problem, region, hour, at_this_rate, today, month }) {
    const parts = this.#parts;
    say(parts.hour, problem ? "–" : `${dollars(hour)} an hour`);
    say(parts.rate, problem ?? `${dollars(at_this_rate)} a month at this rate, in ${region}`);
    say(parts.today, problem ? "" : `Today: ${dollars(today)}`);
    say(parts.month, problem ? "" : `This month: ${dollars(month)}`);
  }
}

const dollars = (usd) => `$${usd.toFixed(usd < 1 ? 4 : 2)}`;

function unwell({ all, starting, unhealthy, leaving }) {
  const parts = [];
  if (unhealthy) parts.push(`${unhealthy} unhealthy`);
  if (starting) parts.push(`${starting} starting`);
  if (leaving) parts.push(`${leaving} leaving`);
  if (parts.length) return parts.join(", ");
  return all ? "all checks pass" : "no instance runs";
}
