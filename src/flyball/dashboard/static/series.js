// The data of the charts: loaded from the journal once, then continued from the live stream.

import { get } from "./live.js";
import { together } from "./now.js";

const COLUMNS = ["rps", "eps", "cpu", "memory", "requests", "errors", "p50", "p95", "p99", "desired", "in_service"];
const POINTS = 1440;
const SHORTEST = 60; // seconds; no chart shows less

/** The columns of one service, or of all (null), over the last `range` seconds. */
export class Series {
  #open = null; // end of the datapoint that is still open
  #asked = 0;

  constructor(service) {
    this.service = service;
    this.step = 1;
    this.columns = Object.fromEntries(["at", ...COLUMNS].map((name) => [name, []]));
  }

  async load(range, now) {
    const asked = ++this.#asked;
    this.range = range;
    const { step, ...columns } = await get("/api/series", { since: now - range, until: now, service: this.service, points: POINTS });
    if (asked !== this.#asked) return; // the user has chosen another range
    this.step = step;
    this.columns = columns;
    this.#open = null;
  }

  /** Where charts begin: `range` ago, or at the first datapoint if that is later. */
  from(now) {
    const first = this.columns.at[0] ?? now;
    return Math.max(now - this.range, Math.min(first, now - SHORTEST));
  }

  /** Add the state of one second. */
  add(services, at) {
    const { columns, step } = this;
    const row = together(services);
    const end = step <= 1 ? at : Math.ceil(at / step) * step;
    const last = columns.at.length - 1;
    if (this.#open === end || (last >= 0 && columns.at[last] >= at)) {
      if (this.#open !== end) return; // loaded already
      columns.at[last] = at;
      for (const name of COLUMNS) columns[name][last] = row[name];
    } else {
      columns.at.push(at);
      for (const name of COLUMNS) columns[name].push(row[name]);
    }
    this.#open = end;
    this.#forget(at - this.range - 2 * step);
  }

  #forget(before) {
    const count = this.columns.at.findIndex((at) => at >= before);
    if (count <= 0) return;
    for (const values of Object.values(this.columns)) values.splice(0, count);
  }
}
