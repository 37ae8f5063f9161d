// Reports: what the car park came to in a time; to read, to print, and as a file for a spreadsheet.

import { address, get } from "./api.js";
import { choice, el, field, put } from "./dom.js";
import { dayTime, duration, has, money, number, siteNow, t, word } from "./i18n.js";
import { mark, nothing, plateLink } from "./marks.js";
import { table } from "./table.js";

// By what each can be counted; the first is meant where nothing is said.
const COUNTED_BY = {
  shift: ["", "type", "gate", "staff"],
  revenue: ["type", "gate", "day", "hour", "staff"],
  traffic: ["hour", "day", "gate", "type", "staff"],
  occupancy: ["hour", "day", "type"],
  inside: ["", "gate", "type", "day"],
  exceptions: ["", "gate", "type", "day", "hour", "staff"],
};
const MONEY = new Set(["fees", "adjustments", "revenue", "unmatched", "fee"]);
const TIMES = new Set(["time", "entry_time"]);

export function show(place, app, signal) {
  const query = app.route.query;
  const asked = app.route.rest in COUNTED_BY ? app.route.rest : "shift";
  const today = siteNow(app.session.timezone).slice(0, 10);
  const name = choice(
    { name: "report" },
    Object.keys(COUNTED_BY).map((one) => [one, t(`report.${one}`)]),
    asked,
  );
  const from = el("input", { type: "date", name: "from", value: query.get("from") ?? today });
  const to = el("input", { type: "date", name: "to", value: query.get("to") ?? today });
  const by = byChoice(asked, query.get("by"));
  const found = el("div", { "aria-live": "polite" }, el("p", { class: "quiet" }, t("loading")));
  const go = () => {
    const wanted = { from: from.value, to: to.value, by: by.value };
    if (!COUNTED_BY[name.value].includes(by.value)) delete wanted.by;
    location.hash = `#/reports/${name.value}?${new URLSearchParams(wanted)}`;
  };
  name.addEventListener("change", go);
  const form = el(
    "form",
    {
      class: "filters noprint",
      onsubmit(submit) {
        submit.preventDefault();
        go();
      },
    },
    field(t("report.which"), name),
    field(t("filter.from"), from),
    field(t("filter.to"), to),
    field(t("report.by"), by),
    el("div", { class: "actions" }, el("button", { class: "main" }, t("report.show"))),
  );
  place.append(el("p", { class: "lead noprint" }, t("report.lead")), form, found);
  const path = `/api/reports/${asked}`;
  const wanted = { from: from.value, to: to.value, by: by.value };
  get(path, wanted, signal)
    .then((answer) => put(found, told(asked, answer, address(path, { ...wanted, format: "csv" }))))
    .catch((fault) => put(found, app.explain(fault) ?? []));
  return {};
}

function byChoice(report, chosen) {
  const options = COUNTED_BY[report].map((one) => [one, t(`report.by.${one || "none"}`)]);
  const known = COUNTED_BY[report].includes(chosen ?? "") ? (chosen ?? "") : COUNTED_BY[report][0];
  return choice({ name: "by" }, options, known);
}

function told(report, answer, csv) {
  const rows = answer.rows;
  if (rows.length === 1 && !answer.by) return summed(report, answer, csv);
  const columns = Object.keys(rows[0] ?? {})
    .filter((name) => !["event_id", "plate_view", "currency"].includes(name))
    .map((name) => ({
      head: heading(name, answer.by),
      number: isNumber(rows, name),
      cell: (row) => cell(name, row, answer.by),
    }));
  return el(
    "section",
    { class: "report" },
    completeness(answer),
    table(captionOf(report, answer), columns, rows, t("report.none")),
    answer.totals.length && rows.length ? totals(answer.totals, answer.by) : null,
    toTakeAlong(report, csv),
  );
}

/** A report of one row is read from top to bottom. */
function summed(report, answer, csv) {
  const { key: _, ...row } = answer.rows[0];
  return el(
    "section",
    { class: "report" },
    completeness(answer),
    el("h2", {}, captionOf(report, answer)),
    totals([row], answer.by),
    toTakeAlong(report, csv),
  );
}

function captionOf(report, { from, to }) {
  return t("report.caption", {
    report: t(`report.${report}`),
    from: dayTime(from.replace("T", " ").slice(0, 19)),
    to: dayTime(to.replace("T", " ").slice(0, 19)),
  });
}

function toTakeAlong(report, csv) {
  return el(
    "p",
    { class: "actions apart noprint" },
    el("button", { type: "button", onclick: () => window.print() }, t("report.print")),
    el("a", { class: "button", href: csv, download: `${report}.csv` }, t("report.csv")),
  );
}

/** Whether events of some central may still be missing, and of which. */
function completeness({ complete_until, missing }) {
  if (missing.length === 0) return el("p", {}, mark("good", t("report.complete")));
  const values = {
    time: complete_until ? dayTime(complete_until.replace("T", " ").slice(0, 19)) : t("unknown"),
    missing: missing.join(", "),
  };
  return el("p", {}, mark("warn", t("report.incomplete", values)));
}

function totals(rows, by) {
  return rows.map((row) =>
    el(
      "dl",
      { class: "facts totals" },
      Object.keys(row)
        .filter((name) => name !== "currency")
        .map((name) =>
          el("div", {}, el("dt", {}, heading(name, by)), el("dd", {}, cell(name, row, by))),
        ),
    ),
  );
}

function heading(name, by) {
  if (name === "key") return t(by ? `report.by.${by}` : "report.by.none");
  return has(`report.col.${name}`) ? t(`report.col.${name}`) : name;
}

const isNumber = (rows, name) => rows.some((row) => typeof row[name] === "number");

function cell(name, row, by) {
  const value = row[name];
  if (value === null || value === undefined) return nothing();
  if (name === "key") return by === "type" ? word("type", value) : value;
  if (name === "plate_id") return plateLink(value, row.plate_view);
  if (name === "camera_type") return word("type", value);
  if (name === "kind") return has(`remark.${value}`) ? word("remark", value) : word("kind", value);
  if (name === "duration_s") return duration(value);
  if (TIMES.has(name)) return dayTime(value);
  if (MONEY.has(name)) return money(value, row.currency ?? "VND");
  return typeof value === "number" ? number(value) : String(value);
}
