// The page of an application with regions: how each is, who is served where, and how far replication is behind.
import { h, say } from "./dom.js";
import { bearer } from "./key.js";

const EVERY_MS = 1000;
const of = (id) => document.getElementById(id);

/** All that a reader notices of a cell. */
const seen = (cell) => (cell instanceof Element ? [cell.className, cell.textContent, cell.getAttribute("href")] : cell);

/** Fill a table: its columns, and one row of cells (texts or elements) per item. */
function fill(table, columns, rows) {
  const cells = JSON.stringify(rows.map((row) => row.map(seen)));
  if (table.dataset.cells === cells) return;
  table.dataset.cells = cells;
  const head = h("thead", {}, h("tr", {}, ...columns.map((name) => h("th", { scope: "col" }, name))));
  const lines = rows.map((row) => h("tr", {}, ...row.map((cell) => h("td", {}, cell ?? "–"))));
  table.replaceChildren(head, h("tbody", {}, ...lines));
}

const number = (value, digits = 0) => (value === null || value === undefined ? "–" : value.toFixed(digits));

function health(text) {
  return h("span", text === "healthy" ? {} : { class: "bad" }, text);
}

function show(told) {
  say(of("name"), told.application);
  say(of("address"), told.url);
  of("address").href = told.url;
  fill(
    of("regions"),
    ["region", "health", "control plane", "balancer", "dashboard"],
    told.regions.map((one) => [
      one.name,
      one.share < 100 ? h("span", { class: "bad" }, `${one.health}, ${one.share} % of its visitors`) : health(one.health),
      one.control ? String(one.control.pid) : h("span", { class: "bad" }, "away"),
      one.balancer ? String(one.balancer.pid) : null,
      one.dashboard ? h("a", { href: one.dashboard }, "open") : null,
    ]),
  );
  fill(
    of("served"),
    ["visitors near", "served by", "requests", "errors"],
    told.served.map((one) => [one.nearest, one.region, String(one.requests), String(one.errors)]),
  );
  fill(
    of("services"),
    ["region", "service", "release", "in service", "desired", "requests/s", "cpu %", "p99 ms"],
    told.services.map((one) => [
      one.region,
      one.name,
      one.release === null ? null : String(one.release),
      String(one.capacity.in_service),
      String(one.capacity.desired),
      number(one.metrics.requests_per_second, 1),
      number(one.metrics.cpu_percent, 1),
      number(one.metrics.latency_ms.p99, 1),
    ]),
  );
  fill(
    of("firewall"),
    ["rule", "requests", "action"],
    told.firewall.map((one) => [one.rule, String(one.requests), one.action]),
  );
  fill(
    of("replication"),
    ["store", "region", "waiting", "seconds behind", "the latest took", "problem"],
    told.replication.map((one) => [one.store, one.region, String(one.waiting), number(one.lag_s, 1), number(one.took_s, 1), one.problem]),
  );
}

async function look() {
  try {
    const answer = await fetch("/api/application", { headers: bearer() });
    show(await answer.json());
    of("live").dataset.live = "on";
    say(of("live"), "live");
  } catch {
    of("live").dataset.live = "off";
    say(of("live"), "the edge's control plane does not answer");
  }
  setTimeout(look, EVERY_MS);
}

look();
