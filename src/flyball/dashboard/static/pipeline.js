// The pipeline: a run for each push, with its stages, their durations and logs.

import { h, keyed, lasting, say, when } from "./dom.js";
import { get } from "./live.js";

const SHOWN = 8;
const SIGNS = { succeeded: "✓", failed: "✕", running: "▸", superseded: "–", skipped: "–" };

export class Pipeline {
  #busy = false;

  constructor(root, showLog) {
    this.showLog = showLog;
    this.list = h("ol", { class: "runs" });
    this.root = h("article", { id: "pipeline", hidden: true }, h("h3", {}, "Pipeline"), this.list);
    root.after(this.root);
  }

  /** Whether a run is going on, so that the next look comes soon. */
  get busy() {
    return this.#busy;
  }

  async load() {
    const runs = await get("/api/pipeline/runs", { limit: SHOWN });
    this.#busy = runs.some((run) => run.status === "running");
    this.root.hidden = runs.length === 0;
    keyed(this.list, runs, (run) => run.number, () => h("li", {}, h("p", { class: "about" }), h("ol", { class: "stages" }), h("p", { class: "reason" })), (item, run) => {
      item.dataset.status = run.status;
      say(item.children[0], `${SIGNS[run.status] ?? ""} push ${run.number}, ${run.commit.slice(0, 7)} ${run.subject}${run.author ? ` by ${run.author}` : ""}, ${when(run.started_at)}: ${run.status}${took(run)}`);
      keyed(item.children[1], run.stages, (stage) => `${stage.name} ${stage.started_at}`, (stage) => this.#stage(stage), fill);
      say(item.children[2], run.stages.some(({ message }) => message === run.message) ? "" : run.message);
    });
  }

  #stage({ name }) {
    const item = h("li", {}, h("span"));
    item.append(h("button", { type: "button", class: "small", "aria-label": `Log of ${name}`, onclick: () => this.showLog(item.dataset.log) }, "Log"));
    return item;
  }
}

function fill(item, stage) {
  item.dataset.status = stage.status;
  const skipped = stage.status === "skipped";
  item.dataset.log = stage.log ?? "";
  item.lastChild.hidden = skipped || !stage.log; // a rollout has a log only when an instance has failed
  say(item.firstChild, `${SIGNS[stage.status] ?? ""} ${stage.name}${skipped ? " skipped" : took(stage)}${stage.status === "failed" && stage.message ? `: ${stage.message}` : ""}`);
}

function took({ started_at: began, ended_at: ended }) {
  if (ended === null) return "";
  return ended - began < 10 ? ` in ${(ended - began).toFixed(1)} s` : ` in ${lasting(ended - began)}`;
}
