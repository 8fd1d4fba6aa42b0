// The stores, and a read-only look into Redis.

import { h, keyed, lasting, plural, say } from "./dom.js";
import { get } from "./live.js";

const KINDS = { table: "table (SQLite here)", redis: "Redis", bucket: "bucket (a directory here)" };

export class Stores {
  #views = new Map();

  constructor(root) {
    this.section = root.parentElement;
    this.list = h("ul", { class: "stores" });
    root.append(this.list);
  }

  async load() {
    const found = await get("/api/stores");
    this.section.hidden = found.length === 0;
    keyed(this.list, found, (one) => one.name, (one) => this.#make(one), (item, one) => {
      item.dataset.ok = one.problem === null ? "yes" : "no";
      say(item.querySelector(".standing"), one.problem === null ? "answers" : one.problem);
    });
  }

  #make({ name, kind, viewable }) {
    const item = h("li", { id: `store-${name}` }, h("b", {}, name), ` ${KINDS[kind] ?? kind} `, h("span", { class: "standing" }));
    if (viewable) item.append(new Keys(name).root);
    return item;
  }
}

class Keys {
  #cursor = "0";

  constructor(store) {
    this.store = store;
    this.pattern = h("input", { type: "search", id: `pattern-${store}`, value: "*" });
    this.rows = h("tbody");
    this.count = h("span", { class: "small" });
    this.next = h("button", { type: "button", onclick: () => this.#page(this.#cursor) }, "More keys");
    this.value = h("pre", { tabindex: "0", role: "region", "aria-label": `A value in ${store}` });
    this.about = h("p", { class: "small" }, "Choose a key to see its value.");
    const form = h("form", { class: "filters" }, h("label", { for: this.pattern.id }, "Keys like"), this.pattern, h("button", {}, "Look"), this.count);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.rows.replaceChildren();
      this.#page("0");
    });
    const table = h("table", { class: "dense" }, h("thead", {}, h("tr", {}, ...["Key", "Type", "Expires in"].map((name) => h("th", { scope: "col" }, name)))), this.rows);
    const area = h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": `Keys in ${store}` }, table, this.next);
    this.root = h("details", {}, h("summary", {}, `Look into ${store} (read-only)`), form, h("div", { class: "pair" }, area, h("div", {}, this.about, this.value)));
    this.root.addEventListener("toggle", () => {
      if (this.root.open && !this.rows.children.length) this.#page("0");
    });
  }

  async #page(cursor) {
    try {
      const found = await get(`/api/stores/${encodeURIComponent(this.store)}/keys`, { cursor, pattern: this.pattern.value || "*" });
      this.#cursor = found.cursor;
      this.next.hidden = found.cursor === "0";
      this.rows.append(...found.keys.map((one) => this.#row(one)));
      say(this.count, `${plural(this.rows.children.length, "key")} shown of ${found.total}`);
    } catch (error) {
      say(this.count, error.message);
    }
  }

  #row({ key, id, type, ttl_s: ttl }) {
    return h("tr", {}, h("th", { scope: "row" }, h("button", { type: "button", class: "plain", onclick: () => this.#show(key, id) }, key)), h("td", {}, type), h("td", {}, ttl === null ? "never" : lasting(ttl)));
  }

  async #show(key, id) {
    try {
      const { type, size, lines, cut } = await get(`/api/stores/${encodeURIComponent(this.store)}/value/${id}`);
      say(this.about, `${key}: ${type}, ${type === "string" ? plural(size, "byte") : plural(size, "item")}${cut ? ", the beginning" : ""}`);
      say(this.value, lines.join("\n"));
    } catch (error) {
      say(this.about, `${key}: ${error.message}`);
      say(this.value, "");
    }
  }
}
