// Traffic and revenue: entries, exits and fees by hour, gate and type.

import { address, get } from "./api.js";
import { chart } from "./chart.js";
import { el, field, put } from "./dom.js";
import { dayTime, money, number, siteNow, t, word } from "./i18n.js";
import { mark } from "./marks.js";
import { byDay, byHour, byKey, daysAfter, revenues } from "./traffic-sums.js";

const BY = ["hour", "gate", "type"];

export function show(place, app, signal) {
  const today = siteNow(app.session.timezone).slice(0, 10);
  const from = app.route.query.get("from") ?? today;
  const to = app.route.query.get("to") ?? today;
  const result = el("div", {}, el("p", { class: "quiet" }, t("loading")));
  const changed = el("p", { class: "controls", hidden: true });
  place.append(rangeForm(from, to, today), changed, result);

  async function read() {
    changed.hidden = true;
    try {
      const [hours, gates, types] = await Promise.all(
        BY.map((by) => get("/api/parking/traffic", { from, to, by }, signal)),
      );
      const currency = revenues(types.rows)[0]?.[1] ?? "VND";
      const drawn = [
        from < to ? charts("day", byDay(hours.rows, from, to), currency, signal) : null,
        charts("hour", byHour(hours.rows), currency, signal),
        charts("gate", byKey(gates.rows, String), currency, signal),
        charts(
          "type",
          byKey(types.rows, (key) => word("type", key)),
          currency,
          signal,
        ),
      ];
      put(result, completeness(hours), totals(types.rows), el("div", { class: "charts" }, drawn));
    } catch (fault) {
      put(result, app.explain(fault) ?? []);
    }
  }
  put(changed, el("button", { type: "button", onclick: read }, t("history.newer")));
  read();
  return {
    event() {
      changed.hidden = false;
    },
  };
}

function rangeForm(from, to, today) {
  const first = el("input", { type: "date", name: "from", value: from, required: true });
  const last = el("input", { type: "date", name: "to", value: to, required: true });
  const spans = [
    [t("traffic.today"), today],
    [t("traffic.week"), daysAfter(today, -6)],
    [t("traffic.month"), daysAfter(today, -29)],
  ];
  return el(
    "form",
    {
      class: "filters",
      onsubmit(submit) {
        submit.preventDefault();
        location.hash = address("#/traffic", { from: first.value, to: last.value });
      },
    },
    field(t("filter.from"), first),
    field(t("filter.to"), last),
    el(
      "div",
      { class: "actions" },
      el("button", { class: "main" }, t("history.show")),
      spans.map(([words, begin]) =>
        el(
          "a",
          {
            class: "button",
            href: address("#/traffic", { from: begin, to: today }),
            "aria-current": begin === from && to === today ? "true" : null,
          },
          words,
        ),
      ),
    ),
  );
}

/** Up to when the numbers are whole, and who is missing. */
function completeness({ complete_until, missing }) {
  if (missing?.length) {
    return el(
      "p",
      {},
      mark(
        "warn",
        t("traffic.missing", {
          time: complete_until ? dayTime(complete_until) : t("never"),
          centrals: missing.join(", "),
        }),
      ),
    );
  }
  return el(
    "p",
    {},
    mark(
      "good",
      complete_until
        ? t("traffic.complete", { time: dayTime(complete_until) })
        : t("traffic.whole"),
    ),
  );
}

function totals(rows) {
  const sum = (name) => rows.reduce((all, row) => all + row[name], 0);
  const paid = revenues(rows).map(([amount, currency]) => money(amount, currency));
  const cards = [
    [t("traffic.entries"), number(sum("entries"))],
    [t("traffic.exits"), number(sum("exits"))],
    [t("traffic.revenue"), paid.length ? paid.join(" + ") : money(0, "VND")],
  ];
  const unmatched = sum("unmatched_exits");
  if (unmatched) {
    const words = `${number(unmatched)} · ${money(sum("unmatched"), revenues(rows)[0]?.[1])}`;
    cards.push([t("traffic.unmatched"), words]);
  }
  return el(
    "ul",
    { class: "cards" },
    cards.map(([title, value]) =>
      el("li", {}, el("span", { class: "quiet" }, title), el("strong", {}, value)),
    ),
  );
}

/** Two charts of the same rows: how many, and how much. Hours and days stand, names lie. */
function charts(by, rows, currency, signal) {
  const upright = by === "hour" || by === "day";
  const unmatched = rows.some((row) => row.unmatched_exits); // a series of its own, where there are
  const beside = (name) => (unmatched ? [name] : []);
  const common = {
    head: t(`traffic.by.${by}`),
    upright,
    empty: t("traffic.none"),
    asTable: t("now.as_table"),
    signal,
  };
  return el(
    "section",
    { class: upright ? "whole-row" : null },
    el("h2", {}, t(`traffic.by.${by}`)),
    chart({
      ...common,
      title: t("traffic.vehicles"),
      rows: rows.map((row) => ({
        label: row.label,
        values: [row.entries, row.exits, ...beside(row.unmatched_exits)],
      })),
      series: [
        { name: t("traffic.entries"), style: "one" },
        { name: t("traffic.exits"), style: "two" },
        ...beside({ name: t("traffic.unmatched"), style: "three" }),
      ],
      format: number,
    }),
    chart({
      ...common,
      title: t("traffic.revenue"),
      rows: rows.map((row) => ({
        label: row.label,
        values: [row.revenue, ...beside(row.unmatched)],
      })),
      series: [
        { name: t("traffic.revenue"), style: "money" },
        ...beside({ name: t("traffic.unmatched"), style: "three" }),
      ],
      format: (value) => money(value, currency),
      short: thousands,
    }),
  );
}

/** Money for the end of a bar: 25 k, 1.2 M. */
function thousands(value) {
  const tenths = (size) => number(Math.round((value / size) * 10) / 10);
  if (value >= 1e6) return `${tenths(1e6)} ${t("traffic.million")}`;
  return value >= 1e3 ? `${tenths(1e3)} ${t("traffic.thousand")}` : number(value);
}
