// The page: the chosen service and time range, and all parts, updated by the live stream.

import { clock, h, keyed, say, soon } from "./dom.js";
import { Events } from "./events.js";
import { Instances } from "./instances.js";
import { Live } from "./live.js";
import { Logs } from "./logs.js";
import { RouteMap } from "./map.js";
import { Pipeline } from "./pipeline.js";
import { Rollouts } from "./rollouts.js";
import { Stores } from "./stores.js";
import { Tiles } from "./tiles.js";
import { Traffic } from "./traffic.js";
import { Why } from "./why.js";

const RANGES = { "5 min": 300, "15 min": 900, "1 h": 3600, "6 h": 21600, "24 h": 86400, "7 days": 604800 };
const FRESH_MS = 60000; // ranges by the minute are reloaded: the open minute is only a sample
const SLOW_MS = 10000; // between looks at stores and pushes
const SOON_MS = 1000; // between looks at pushes while one runs

const body = (id) => document.querySelector(`#${id} .body`);
const shown = { service: null, range: 300, state: null, loaded: 0, downAt: null };
const live = new Live();
const logs = new Logs(body("logs"));
const parts = {
  tiles: new Tiles(document.getElementById("tiles")),
  why: new Why(body("why")),
  traffic: new Traffic(body("traffic")),
  instances: new Instances(body("instances"), (name) => logs.show(name)),
  rollouts: new Rollouts(body("rollouts"), (name) => logs.show(name)),
  pipeline: new Pipeline(body("rollouts"), (name) => logs.show(name)),
  map: new RouteMap(body("map")),
  events: new Events(body("events")),
  stores: new Stores(body("stores")),
};

/** Ignore failures: everything is loaded again when the control plane is back. */
const quietly = (work) => work.catch((error) => console.debug(error.message));

function show() {
  const { state, service, range } = shown;
  if (state === null) return;
  say(document.getElementById("name"), state.application);
  document.title = `${state.application} - Flyball`;
  const address = document.getElementById("address");
  if (address.textContent !== state.url) {
    address.href = state.url;
    say(address, state.url);
  }
  chooseServices(state);
  parts.tiles.show(state, service);
  parts.why.show(state, service, range);
  parts.traffic.show(state);
  parts.instances.show(state, service);
  parts.rollouts.show(state, service);
  parts.map.show(state);
  parts.events.choose(service);
  notice(state);
}

function notice(state) {
  const element = document.getElementById("notice");
  const text = shown.downAt !== null
    ? `The control plane has not answered since ${clock(shown.downAt)}. Instances and the balancer continue without it; this page shows the state of that time. To start it again: flyball up`
    : state?.stopping ? "The application is being stopped."
    : state?.control.journal_error ? `The control plane continues without its journal: ${state.control.journal_error}` : "";
  element.hidden = text === "";
  say(element, text);
}

function chooseServices(state) {
  const names = [null, ...state.services.map((one) => one.name)];
  const field = document.getElementById("services");
  field.hidden = names.length < 3;
  if (!names.includes(shown.service)) shown.service = null;
  radios(field, "service", names.map((name) => [name, name ?? "Whole application"]), shown.service, (name) => {
    shown.service = name;
    remember();
    quietly(parts.traffic.load(name, shown.range, now()));
    show();
  });
}

function chooseRanges() {
  radios(document.getElementById("ranges"), "range", Object.entries(RANGES).map(([text, seconds]) => [seconds, text]), shown.range, (seconds) => {
    shown.range = seconds;
    remember();
    reload();
  });
}

function radios(field, group, choices, chosen, choose) {
  keyed(field, choices, ([value]) => String(value), ([value, text]) => {
    const input = h("input", { type: "radio", name: group, value: String(value), onchange: () => choose(value) });
    return h("label", {}, input, text);
  }, (label, [value]) => {
    label.firstChild.checked = value === chosen;
  });
}

const now = () => shown.state?.at ?? Date.now() / 1000;

function reload() {
  shown.loaded = performance.now();
  parts.why.load(shown.range, now());
  quietly(parts.traffic.load(shown.service, shown.range, now()));
}

function reloadAll() {
  reload();
  for (const part of [parts.rollouts, parts.pipeline, parts.map, parts.stores, parts.events, logs]) quietly(part.load());
}

/** Keep the choice in the address, for reloads and bookmarks. */
function remember() {
  const choice = new URLSearchParams({ ...(shown.service ? { service: shown.service } : {}), range: shown.range });
  history.replaceState(null, "", `?${choice}${location.hash}`);
}

function recall() {
  const choice = new URLSearchParams(location.search);
  if (choice.has("service")) shown.service = choice.get("service");
  if (Object.values(RANGES).includes(Number(choice.get("range")))) shown.range = Number(choice.get("range"));
}

function standing(word, text) {
  const element = document.getElementById("live");
  element.dataset.live = word;
  document.body.dataset.live = word;
  say(element, text);
}

const newLogs = soon(() => quietly(logs.load()));

live.addEventListener("state", ({ detail }) => {
  const first = shown.state === null;
  shown.state = detail;
  show();
  if (first) quietly(parts.traffic.load(shown.service, shown.range, now()));
  if (shown.range > 3600 && performance.now() - shown.loaded > FRESH_MS) reload();
});
live.addEventListener("decision", ({ detail }) => {
  if (!parts.events.decide(detail)) return;
  parts.why.decide(detail);
  parts.rollouts.decide(detail);
  if (["launched", "release_created"].includes(detail.kind)) newLogs();
});
live.addEventListener("up", () => {
  standing("yes", "live");
  const back = shown.downAt !== null;
  shown.downAt = null;
  notice(shown.state);
  if (back) reloadAll();
});
live.addEventListener("down", () => {
  standing("no", "reconnecting");
  shown.downAt = Date.now() / 1000;
  notice(shown.state);
});
const awake = () => shown.downAt === null && document.visibilityState === "visible";
setInterval(() => {
  if (awake()) for (const part of [parts.stores, parts.pipeline]) quietly(part.load());
}, SLOW_MS);
setInterval(() => awake() && parts.pipeline.busy && quietly(parts.pipeline.load()), SOON_MS);

recall();
chooseRanges();
for (const part of [parts.rollouts, parts.pipeline, parts.map, parts.stores, logs]) quietly(part.load());
live.start(await parts.events.load().catch(() => 0));
