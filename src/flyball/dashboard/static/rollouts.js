// Releases and rollouts of each service: progress, gates, and orders to deploy and roll back.

import { h, keyed, lasting, plural, say, when, words } from "./dom.js";
import { get } from "./live.js";
import { chosen } from "./now.js";
import { ask, order, tell } from "./tell.js";

const ABOUT = /^(release_|build_|rollout_|rollback_|rolled_back)/;
const SHOWN = 8;

export class Rollouts {
  #releases = [];
  #asking = false;
  #again = false;

  constructor(root, showLog) {
    this.root = root;
    this.showLog = showLog;
  }

  async load() {
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    try {
      this.#releases = await get("/api/releases");
    } catch {
      // the page already says that the control plane is away, and loads again when it is back
    }
    this.#asking = false;
    if (this.last) this.show(...this.last);
    if (this.#again) {
      this.#again = false;
      await this.load();
    }
  }

  decide(event) {
    if (ABOUT.test(event.kind)) this.load();
  }

  show(state, service) {
    this.last = [state, service];
    keyed(this.root, chosen(state, service), (one) => one.name, (one) => this.#make(one), (card, one) => this.#fill(card, one, state.at));
  }

  #make({ name }) {
    const deploy = h("button", { type: "button", onclick: () => this.#deploy(name) }, "Deploy");
    deploy.setAttribute("aria-label", `Deploy ${name}`);
    const area = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Releases of ${name}` });
    const heads = ["Release", "State", "Source", "Build", "Rollout", "Made", "From", ""];
    area.append(h("table", { class: "dense" }, h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head || h("span", { class: "unseen" }, "Orders"))))), h("tbody")));
    return h("article", { id: `rollout-${name}` }, h("div", { class: "head" }, h("h3", {}, name), h("p", { class: "sentence" }), deploy),
      h("div", { class: "progress", hidden: true }, h("p", { class: "counts" }), h("div", { class: "bars", "aria-hidden": "true" }, h("i", { class: "new" }), h("i", { class: "old" })), h("ul", { class: "gates" })), area);
  }

  #fill(card, service, at) {
    say(card.querySelector(".sentence"), standing(service));
    card.dataset.phase = service.rollout?.phase ?? (service.building === null ? "none" : "building");
    const progress = card.querySelector(".progress");
    progress.hidden = service.rollout === null;
    if (service.rollout) showProgress(progress, service, at);
    const releases = this.#releases.filter((one) => one.service === service.name).slice(0, SHOWN);
    card.querySelector(".scroll").hidden = releases.length === 0;
    keyed(card.querySelector("tbody"), releases, (one) => one.release, (one) => this.#row(one), (row, one) => fillRow(row, one, service));
  }

  #row({ service, release }) {
    const log = h("button", { type: "button", class: "small", "aria-label": `Build log of release ${release} of ${service}`, onclick: () => this.showLog(`build-${service}-${release}`) }, "Log");
    const back = h("button", { type: "button", class: "small", "aria-label": `Roll ${service} back to release ${release}`, onclick: () => this.#back(service, release) }, "Roll back to it");
    return h("tr", { id: `release-${service}-${release}` }, h("th", { scope: "row" }, String(release)), h("td", { class: "state" }), ...[1, 2, 3].map(() => h("td", { class: "stage" })), h("td"), h("td", { class: "note" }), h("td", { class: "orders" }, log, back));
  }

  async #back(service, release) {
    const yes = await ask(`Roll ${service} back to release ${release}?`, "This is a rollout under the same rules as any other. No request is lost.", "Roll back");
    if (yes) await order(`/api/services/${encodeURIComponent(service)}/rollback`, { release }, "There is nothing to do");
  }

  async #deploy(service) {
    const yes = await ask(`Deploy ${service}?`, "The source beside the file, as it is now, becomes a release, is built and rolled out.", "Deploy");
    if (!yes) return;
    tell(`Reading the source of ${service}`);
    await order(`/api/services/${encodeURIComponent(service)}/deploy`, { note: "dashboard" }, "Nothing has changed since the last release");
  }
}

function standing({ release, building, rollout }) {
  if (rollout === null && release === null && building === null) return "No release yet.";
  if (rollout === null) return building === null ? `Release ${release ?? "–"} serves.` : `Release ${building} is being built; release ${release ?? "–"} serves.`;
  const way = rollout.from === null ? `first release, ${rollout.to}` : `from release ${rollout.from} to ${rollout.to}`;
  return { running: `Rollout ${way}.`, baking: `Rollout ${way}: all instances are new; alarms are watched.`, rolling_back: `Rolling back ${way}: ${rollout.why}.`, stalled: `Rollout ${way} has stalled: ${rollout.why}.`, rollback_failed: `Rollback ${way} has failed: ${rollout.why}.` }[rollout.phase] ?? words(rollout.phase);
}

/** Show old and new instances as counts and bars, and the gates. */
function showProgress(root, { rollout, instances, capacity }, at) {
  const of = (release, lifecycle) => instances.filter((one) => one.release === release && one.lifecycle === lifecycle).length;
  const fresh = of(rollout.to, "in_service");
  const starting = of(rollout.to, "launching");
  const old = instances.filter((one) => one.release !== rollout.to && one.lifecycle === "in_service").length;
  say(root.querySelector(".counts"), `New (release ${rollout.to}): ${fresh} of ${capacity.desired} in service, ${starting} starting. Old: ${old} in service. ${lasting(at - rollout.started_at)} so far.`);
  const [bar, rest] = root.querySelector(".bars").children;
  bar.style.flexGrow = String(fresh);
  rest.style.flexGrow = String(Math.max(old, fresh + old ? 0 : 1));
  const { rules } = rollout;
  const gates = [
    rules.failures_allowed === null ? `${plural(rollout.failures, "failed instance")}, no circuit breaker` : `Circuit breaker: ${rollout.failures} of ${rules.failures_allowed} failed instances`,
    `Minimum healthy: ${rules.minimum_healthy}`, `Maximum running: ${rules.maximum}`, `Traffic to the new release: ${rollout.percent} %`,
    rules.rollback ? "Rolls back by itself" : "Does not roll back",
  ];
  keyed(root.querySelector(".gates"), [...gates.keys()], (position) => position, () => h("li"), (item, position) => say(item, gates[position]));
}

/** How far source, build and rollout of a release are. */
function stages({ status }, rolling) {
  if (status === "building") return ["done", "running", "waits"];
  if (status === "build_failed") return ["done", "failed", "not begun"];
  if (rolling) return ["done", "done", rolling === "rolling_back" ? "rolling back" : rolling];
  return ["done", "done", { completed: "done", failed: "failed", built: "waits" }[status] ?? status];
}

function fillRow(row, one, service) {
  const [, state, source, build, rollout, made, note, orders] = row.children;
  const rolling = service.rollout?.to === one.release ? service.rollout.phase : null;
  row.dataset.status = one.status;
  say(state, one.current ? "serves" : words(one.status));
  stages(one, rolling).forEach((text, position) => {
    const cell = [source, build, rollout][position];
    say(cell, text);
    cell.dataset.stage = text;
  });
  say(made, when(one.created_at));
  say(note, [one.note, one.message].filter(Boolean).join(": "));
  orders.lastChild.hidden = one.current || one.status !== "completed";
}
