// Elements and numbers. Text becomes a text node, never HTML, whatever an application says.

/** An element. `on…` attributes are listeners; attributes that are false, null or undefined are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element. */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Set an element's text, unless it is the same: screen readers and the layout notice every change. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Keep one child per item, in order, by key. `make` creates an element, `fill` updates it. */
export function keyed(parent, items, key, make, fill) {
  const known = parent.known ?? (parent.known = new Map());
  const wanted = new Set();
  let place = parent.firstChild;
  for (const item of items) {
    const name = key(item);
    wanted.add(name);
    let element = known.get(name);
    if (!element) known.set(name, (element = make(item)));
    if (element === place) place = place.nextSibling;
    else parent.insertBefore(element, place);
    fill(element, item);
  }
  for (const [name, element] of known) {
    if (!wanted.has(name)) {
      element.remove();
      known.delete(name);
    }
  }
}

/** A function that does the work once before the next frame, however often it is called. */
export function soon(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A number with about three digits that count: 0.12, 4.5, 83, 1,250. "–" for none. */
export function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return grouped.format(value);
  return value.toFixed(size >= 10 ? 1 : 2).replace(/\.?0+$/, "");
}

export const percent = (value) => (value === null || value === undefined ? "–" : `${number(Math.round(value))}%`);

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = value < 1 ? 0 : Math.min(Math.floor(Math.log(value) / Math.log(1024)), 4);
  return `${number(Math.round((value / 1024 ** power) * 10) / 10)} ${units[power]}`;
}

export function lasting(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

export const clock = (at) => CLOCK.format(at * 1000);

/** The time of day, with the date unless it is today. */
export function when(at) {
  const date = new Date(at * 1000);
  return date.toDateString() === new Date().toDateString() ? clock(at) : `${DAY.format(date)} ${clock(at)}`;
}

export const words = (name) => name.replaceAll("_", " ");

export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
