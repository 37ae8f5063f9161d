// History: every stay, by plate, time, place and type; in pages, and as CSV.
// The filter stands in the address, so that a page can be kept, sent and come back to.

import { address, get } from "./api.js";
import { choice, el, field, put } from "./dom.js";
import { clockTime, dayTime, duration, money, number, t, word } from "./i18n.js";
import { nothing, plateLink, remarks, stayMark } from "./marks.js";
import { table } from "./table.js";
import { typeInput, typeOf } from "./type-input.js";

const PAGE = 25;
const FILTERS = ["plate", "match", "inside", "from", "to", "central", "edge", "type"];

export function show(place, app, signal) {
  const filter = Object.fromEntries(
    FILTERS.map((name) => [name, app.route.query.get(name) ?? ""]).filter(([, value]) => value),
  );
  const page = Math.max(1, Number.parseInt(app.route.query.get("page") ?? "1", 10) || 1);
  const result = el("div", { "aria-live": "polite" }, el("p", { class: "quiet" }, t("loading")));
  const changed = el("p", { class: "controls", hidden: true });
  place.append(filterForm(filter), changed, result);

  async function read() {
    changed.hidden = true;
    try {
      const query = { ...filter, limit: PAGE, offset: (page - 1) * PAGE };
      const { history, total } = await get("/api/parking/history", query, signal);
      put(result, listing(history, total, page, filter));
    } catch (fault) {
      put(result, app.explain(fault) ?? []);
    }
  }
  put(changed, el("button", { type: "button", onclick: read }, t("history.newer")));
  read();
  return {
    event() {
      changed.hidden = false; // rows do not move under the eyes of who reads them
    },
  };
}

function filterForm(filter) {
  const inputs = {
    plate: el("input", { type: "search", name: "plate", value: filter.plate ?? "", maxlength: 32 }),
    inside: choice(
      { name: "inside" },
      [
        ["", t("history.all")],
        ["1", t("stay.in")],
      ],
      filter.inside ?? "",
    ),
    from: el("input", { type: "date", name: "from", value: filter.from ?? "" }),
    to: el("input", { type: "date", name: "to", value: filter.to ?? "" }),
    central: el("input", { name: "central", value: filter.central ?? "", maxlength: 32 }),
    edge: el("input", { name: "edge", value: filter.edge ?? "", maxlength: 64 }),
    type: typeInput(filter.type, { name: "type" }),
  };
  const more = ["from", "to", "central", "edge", "type"];
  const wide = window.matchMedia("(min-width: 40rem)").matches; // a phone has no room for all
  const heads = [t("filter.from"), t("filter.to"), t("col.central"), t("col.edge"), t("col.type")];
  const fields = more.map((name, index) => field(heads[index], inputs[name]));
  return el(
    "form",
    {
      class: "filters",
      role: "search",
      onsubmit(submit) {
        submit.preventDefault();
        const wanted = Object.entries(inputs).map(([name, input]) => [name, input.value.trim()]);
        wanted[wanted.length - 1][1] = typeOf(inputs.type);
        const given = wanted.filter(([, value]) => value);
        if (inputs.plate.value.trim()) given.push(["match", "partial"]);
        location.hash = address("#/history", Object.fromEntries(given));
      },
    },
    field(t("vehicles.plate"), inputs.plate),
    field(t("col.status"), inputs.inside),
    el(
      "div",
      { class: "actions" },
      el("button", { class: "main" }, t("history.show")),
      el("a", { href: "#/history" }, t("history.clear")),
    ),
    el(
      "details",
      { class: "as-table more", open: wide || more.some((name) => filter[name]) },
      el("summary", {}, t("history.more")),
      el("div", { class: "filters" }, fields),
    ),
  );
}

function listing(rows, total, page, filter) {
  const columns = [
    { head: t("col.plate"), cell: (row) => plateLink(row.plate_id, row.plate_view) },
    { head: t("col.type"), cell: (row) => word("type", row.camera_type), whole: true },
    { head: t("col.status"), cell: (row) => stayMark(row), whole: true },
    { head: t("col.entry"), cell: (row) => when(dayTime(row.entry_time), row.camera_name) },
    {
      head: t("col.exit"),
      cell: (row) =>
        row.exit_time
          ? when(exitTime(row), `${row.exit_central ?? ""}/${row.exit_edge_id ?? ""}`)
          : nothing(),
    },
    {
      head: t("col.duration"),
      number: true,
      cell: (row) => (row.duration_s === null ? nothing() : duration(row.duration_s)),
    },
    {
      head: t("col.fee"),
      number: true,
      cell: (row) => (row.fee === null ? nothing() : money(row.fee, row.currency)),
    },
    { head: t("col.remarks"), wide: true, cell: (row) => remarks(row.remarks) },
  ];
  const first = (page - 1) * PAGE + 1;
  const caption = t("history.caption", {
    first: number(rows.length ? first : 0),
    last: number(first + rows.length - 1),
    total: number(total),
  });
  const csv = address("/api/parking/history", { ...filter, format: "csv" });
  return [
    table(caption, columns, rows, t("history.none")),
    el(
      "div",
      { class: "paging" },
      turn(t("history.previous"), page > 1 ? page - 1 : null, filter),
      el(
        "span",
        {},
        t("history.page", {
          page: number(page),
          pages: number(Math.max(1, Math.ceil(total / PAGE))),
        }),
      ),
      turn(t("history.next"), page * PAGE < total ? page + 1 : null, filter),
      el("a", { class: "button", href: csv, download: "history.csv" }, t("history.csv")),
    ),
  ];
}

/** The day of the exit is said only where it is another one. */
function exitTime(row) {
  const sameDay = row.exit_time.slice(0, 10) === row.entry_time.slice(0, 10);
  return sameDay ? clockTime(row.exit_time) : dayTime(row.exit_time);
}

function when(time, at) {
  return [el("span", { class: "nowrap" }, time), el("span", { class: "quiet under place" }, at)];
}

function turn(words, page, filter) {
  if (page === null) return el("span", { class: "button off" }, words);
  return el("a", { class: "button", href: address("#/history", { ...filter, page }) }, words);
}
