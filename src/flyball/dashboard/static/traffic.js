// Requests, errors and latency of the chosen service, or of the whole application.

import { Chart } from "./charts.js";
import { chosen } from "./now.js";
import { Series } from "./series.js";

export class Traffic {
  #series = new Series(null);
  #charts;

  constructor(root) {
    const sync = "traffic";
    this.#charts = [
      new Chart(root, { title: "Requests and errors per second", sync, height: 170, least: 1, series: [
        { key: "rps", label: "requests", unit: "/s", colour: "--s1", fill: true }, { key: "eps", label: "errors", unit: "/s", colour: "--bad", dash: [4, 3] }] }),
      new Chart(root, { title: "Latency (ms)", sync, height: 170, unit: " ms", least: 1, series: [
        { key: "p50", label: "p50", colour: "--s1" }, { key: "p95", label: "p95", colour: "--s2", dash: [6, 4] }, { key: "p99", label: "p99", colour: "--s3", dash: [2, 3] }] }),
    ];
  }

  async load(service, range, now) {
    if (service !== this.#series.service) this.#series = new Series(service);
    const series = this.#series;
    await series.load(range, now);
    if (series === this.#series) this.#draw(now);
  }

  show(state) {
    if (!this.#series.range) return;
    this.#series.add(chosen(state, this.#series.service), state.at);
    this.#draw(state.at);
  }

  #draw(now) {
    for (const chart of this.#charts) chart.set(this.#series.columns, this.#series.from(now), now);
  }
}
