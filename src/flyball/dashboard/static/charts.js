// A chart of lines over time, its summary in words, and its data as a table.

import { clock, h, keyed, number, s, say, when } from "./dom.js";

const uPlot = globalThis.uPlot;
const SUMMARY_MS = 5000;
const TABLE_ROWS = 60;
const HALF_LABEL = 24; // pixels
const STEPS = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 345600, 604800]; // seconds between labels
const all = new Set();

const probe = document.body.appendChild(h("span", { hidden: true }));

/** A custom property as a colour for the canvas, with light-dark() resolved. */
function colour(name) {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

let colours = {};
const paint = (name) => (colours[name] ??= colour(name));

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  colours = {};
  for (const chart of all) chart.redraw();
});

/**
 * One chart. `series`: [{key, label, unit, colour, dash, stepped, fill, faint}], `dash` in pixels. Charts with the same
 * `sync` share their cursor. Each of `marks` ([{at, kind, text}]) is an upright line.
 */
export class Chart {
  #plot = null;
  #holder = h("div", { class: "plot", role: "img" });
  #legend = h("ul", { class: "legend" });
  #body = h("tbody");
  #table;
  #series;
  #options;
  #summed = -Infinity;
  #span = [0, 1];
  #observe;
  columns = { at: [] };
  marks = [];

  constructor(root, { title, series, height = 150, sync = null, unit = "", least = null, whole = false }) {
    this.#series = series;
    this.#options = { title, height, sync, unit, least, whole };
    const head = h("tr", {}, h("th", { scope: "col" }, "time"), ...series.map((one) => h("th", { scope: "col" }, one.label)));
    const area = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, as a table` });
    area.append(h("table", {}, h("thead", {}, head), this.#body));
    this.#table = h("details", { class: "data", ontoggle: () => this.#fillTable() }, h("summary", {}, "Data table"), area);
    this.figure = h("figure", {}, h("figcaption", {}, h("span", { class: "name" }, title), this.#legend), this.#holder, this.#table);
    root.append(this.figure);
    this.#makeLegend();
    this.#observe = new ResizeObserver(() => this.#resize());
    this.#observe.observe(this.#holder);
    all.add(this);
  }

  remove() {
    all.delete(this);
    this.#observe.disconnect();
    this.#plot?.destroy();
    this.figure.remove();
  }

  /** Show columns ({at, ...}) between two times. */
  set(columns, from, to) {
    if (columns.at !== this.columns.at) this.#summed = -Infinity; // new data, not the next second
    this.columns = columns;
    this.#span = [from, to];
    if (!this.#plot) {
      this.#make();
    } else {
      this.#plot.setData(this.#data(), false);
      this.#scale();
    }
    this.#values(null);
    this.#tell();
  }

  redraw() {
    this.#makeLegend();
    this.#values(null);
    this.#plot?.redraw();
  }

  /** Put the cursor at a time. */
  point(at) {
    if (!this.#plot) return;
    this.#plot.setCursor({ left: this.#plot.valToPos(at, "x"), top: 10 });
  }

  #data() {
    return [this.columns.at, ...this.#series.map((one) => this.columns[one.key] ?? this.columns.at.map(() => null))];
  }

  #width() {
    return Math.max(this.#holder.clientWidth, 120);
  }

  #resize() {
    if (this.#plot && this.#plot.width !== this.#width()) {
      this.#plot.setSize({ width: this.#width(), height: this.#options.height });
    }
  }

  #scale() {
    this.#plot.setScale("x", { min: this.#span[0], max: this.#span[1] });
  }

  #make() {
    const { height, sync, least, whole } = this.#options;
    const axis = { stroke: () => paint("--muted"), grid: { stroke: () => paint("--grid"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const options = {
      width: this.#width(), height, legend: { show: false }, padding: [14, 8, 0, 0],
      cursor: { drag: { setScale: false, x: false, y: false }, points: { size: 6 }, ...(sync ? { sync: { key: sync, setSeries: false } } : {}) },
      scales: { x: { time: true, auto: false, range: () => this.#span }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max((high ?? 0) * 1.08, least ?? 0, 0.01)] } },
      axes: [
        { ...axis, size: 24, space: 74, incrs: STEPS, values: (plot, splits, _, __, step) => splits.map((at) => (this.#clipped(at, plot.width) ? "" : stamp(at, step))) },
        { ...axis, size: 46, space: 28, ...(whole ? { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] } : {}), values: (_, splits) => splits.map((value) => number(value)) },
      ],
      series: [{}, ...this.#series.map((one) => this.#line(one))],
      hooks: { draw: [(plot) => this.#drawMarks(plot)], setCursor: [(plot) => this.#values(plot.cursor.idx ?? null)] },
    };
    this.#plot = new uPlot(options, this.#data(), this.#holder);
    this.#scale();
  }

  /** Whether the right edge would cut the label of a time in half. */
  #clipped(at, width) {
    const [from, to] = this.#span;
    return (width * (to - at)) / (to - from) < HALF_LABEL;
  }

  #line({ colour: name, dash, stepped, fill, faint }) {
    return {
      stroke: () => paint(name), width: faint ? 1 : 1.75, dash, spanGaps: false,
      points: { show: false, size: 4, fill: () => paint(name), filter: (plot, position) => lonely(plot.data[position]) },
      ...(fill ? { fill: () => paint(`${name}-fill`) } : {}),
      ...(stepped ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
    };
  }

  #drawMarks(plot) {
    const { ctx } = plot;
    const { left, top, width, height } = plot.bbox;
    ctx.save();
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = "center";
    for (const { at, kind } of this.marks) {
      const x = Math.round(plot.valToPos(at, "x", true));
      if (x < left || x > left + width) continue;
      const { sign, colour: name } = MARKS[kind] ?? MARKS.held;
      ctx.strokeStyle = ctx.fillStyle = paint(name);
      ctx.setLineDash(kind === "held" ? [2 * devicePixelRatio, 3 * devicePixelRatio] : []);
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, top + height);
      ctx.stroke();
      ctx.fillText(sign, x, top - 2 * devicePixelRatio);
    }
    ctx.restore();
  }

  #makeLegend() {
    keyed(this.#legend, this.#series, (one) => one.key, (one) => {
      const line = s("line", { x1: 0, y1: 5, x2: 22, y2: 5, "stroke-width": one.faint ? 1.5 : 2.5, "stroke-dasharray": (one.dash ?? []).join(" ") });
      line.style.stroke = `var(${one.colour})`;
      const swatch = s("svg", { width: 22, height: 10, "aria-hidden": "true" }, line);
      return h("li", {}, swatch, ` ${one.label} `, h("b"));
    }, () => {});
  }

  /** The legend shows the values at the cursor, else the newest. */
  #values(index) {
    const at = index ?? this.columns.at.length - 1;
    const legend = [...this.#legend.children];
    this.#series.forEach((one, position) => {
      const value = this.columns[one.key]?.[at];
      say(legend[position].querySelector("b"), value === null || value === undefined ? "–" : `${number(value)}${one.unit ?? this.#options.unit}`);
    });
  }

  #tell() {
    if (performance.now() - this.#summed < SUMMARY_MS) return;
    this.#summed = performance.now();
    const parts = this.#series.filter((one) => !one.faint).map((one) => {
      const values = (this.columns[one.key] ?? []).filter((value) => value !== null && value !== undefined);
      if (!values.length) return `${one.label}: no data`;
      const unit = one.unit ?? this.#options.unit;
      const [low, high] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
      return `${one.label}: now ${number(values.at(-1))}${unit}, between ${number(low)} and ${number(high)}${unit}`;
    });
    this.#holder.setAttribute("aria-label", `${this.#options.title}. ${parts.join("; ")}.`);
    if (this.#table.open) this.#fillTable();
  }

  #fillTable() {
    if (!this.#table.open) return;
    const count = this.columns.at.length;
    const every = Math.max(1, Math.ceil(count / TABLE_ROWS));
    const rows = [];
    for (let index = count - 1; index >= 0; index -= every) rows.push(index);
    this.#body.replaceChildren(...rows.map((index) =>
      h("tr", {}, h("th", { scope: "row" }, when(this.columns.at[index])), ...this.#series.map((one) => h("td", {}, number(this.columns[one.key]?.[index]))))));
  }
}

/** The look of decisions on charts and in lists. */
export const MARKS = {
  scale_out: { sign: "▲", colour: "--out", word: "scale out" },
  scale_in: { sign: "▼", colour: "--in", word: "scale in" },
  scaled_by_hand: { sign: "■", colour: "--hand", word: "by hand" },
  held: { sign: "◆", colour: "--muted", word: "held" },
  refused: { sign: "◆", colour: "--muted", word: "refused" },
  rollout_started: { sign: "R", colour: "--hand", word: "rollout" },
  rolled_back: { sign: "R", colour: "--bad", word: "rolled back" },
  rollout_failed: { sign: "R", colour: "--bad", word: "rollout failed" },
  rollback_failed: { sign: "R", colour: "--bad", word: "rollback failed" },
};

/** Values without a neighbour are drawn as dots, since no line reaches them. */
function lonely(values) {
  const there = (index) => values[index] !== null && values[index] !== undefined;
  return [...values.keys()].filter((index) => there(index) && !there(index - 1) && !there(index + 1));
}

function stamp(at, step) {
  const date = new Date(at * 1000);
  if (step >= 86400) return `${date.getDate()} ${date.toLocaleString("en", { month: "short" })}`;
  return step >= 60 ? clock(at).slice(0, 5) : clock(at);
}
