// Traffic and revenue: entries, exits and fees by hour, gate and type.

import { address, get } from "./api.js";
import { chart } from "./chart.js";
import { el, field, put } from "./dom.js";
import { dayTime, money, number, t, word } from "./i18n.js";
import { mark } from "./marks.js";

const BY = ["hour", "gate", "type"];
const DAY_MS = 86_400_000;

export function show(place, app, signal) {
  const today = siteDay(app.status);
  const from = app.route.query.get("from") ?? today;
  const to = app.route.query.get("to") ?? today;
  const result = el("div", {}, el("p", { class: "quiet" }, t("loading")));
  place.append(rangeForm(from, to, today), result);

  async function read() {
    try {
      const answers = await Promise.all(
        BY.map((by) => get("/api/parking/traffic", { from, to, by }, signal)),
      );
      put(
        result,
        completeness(answers[0]),
        totals(answers[2].rows),
        el(
          "div",
          { class: "charts" },
          BY.map((by, index) => charts(by, answers[index].rows, signal)),
        ),
      );
    } catch (fault) {
      put(result, app.explain(fault) ?? []);
    }
  }
  read();
  return {};
}

/** The site's day: that of the last heartbeat where one came, else that of this machine. */
function siteDay(status) {
  const heard = status?.peers
    ?.map((peer) => peer.last_ping_time)
    .filter(Boolean)
    .sort()
    .at(-1);
  if (status?.site_time) return status.site_time.slice(0, 10);
  if (heard) return heard.slice(0, 10);
  const now = new Date();
  return new Date(now - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}

function daysBefore(dayText, days) {
  return new Date(Date.parse(dayText) - days * DAY_MS).toISOString().slice(0, 10);
}

function rangeForm(from, to, today) {
  const first = el("input", { type: "date", name: "from", value: from, required: true });
  const last = el("input", { type: "date", name: "to", value: to, required: true });
  const spans = [
    [t("traffic.today"), today],
    [t("traffic.week"), daysBefore(today, 6)],
    [t("traffic.month"), daysBefore(today, 29)],
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
  const sum = (name) => rows.reduce((all, row) => all + (row[name] ?? 0), 0);
  const currencies = [
    ...new Set(rows.filter((row) => row.revenue).map((row) => row.currency ?? "VND")),
  ];
  const revenue =
    currencies.length === 0
      ? money(0, "VND")
      : currencies
          .map((currency) =>
            money(
              rows
                .filter((row) => (row.currency ?? "VND") === currency)
                .reduce((all, row) => all + (row.revenue ?? 0), 0),
              currency,
            ),
          )
          .join(" + ");
  const cards = [
    [t("traffic.entries"), number(sum("entries"))],
    [t("traffic.exits"), number(sum("exits"))],
    [t("traffic.revenue"), revenue],
  ];
  return el(
    "ul",
    { class: "cards" },
    cards.map(([title, value]) =>
      el("li", {}, el("span", { class: "quiet" }, title), el("strong", {}, value)),
    ),
  );
}

function charts(by, rows, signal) {
  const oneDay = new Set(rows.map((row) => String(row.key).slice(0, 10))).size < 2;
  const labelled = rows.map((row) => ({ ...row, label: label(by, row.key, oneDay) }));
  const currency = rows.find((row) => row.currency)?.currency ?? "VND";
  const common = {
    head: t(`traffic.by.${by}`),
    upright: by === "hour",
    empty: t("traffic.none"),
    asTable: t("now.as_table"),
    signal,
  };
  return el(
    "section",
    { class: by === "hour" ? "whole-row" : null },
    el("h2", {}, t(`traffic.by.${by}`)),
    chart({
      ...common,
      title: t("traffic.vehicles"),
      rows: labelled.map((row) => ({ label: row.label, values: [row.entries, row.exits] })),
      series: [
        { name: t("traffic.entries"), style: "one" },
        { name: t("traffic.exits"), style: "two" },
      ],
      format: number,
    }),
    chart({
      ...common,
      title: t("traffic.revenue"),
      rows: labelled.map((row) => ({ label: row.label, values: [row.revenue] })),
      series: [{ name: t("traffic.revenue"), style: "money" }],
      format: (value) => money(value, currency),
      short: thousands,
    }),
  );
}

function label(by, key, oneDay) {
  if (by === "type") return word("type", key);
  if (by === "hour") return hour(String(key), oneDay);
  return String(key);
}

/** `2026-11-21 08:00`, `08` or `8` as an hour that is short enough for an axis. */
function hour(key, oneDay) {
  const parts = /^(\d{4})-(\d{2})-(\d{2})[ T](\d{2})/.exec(key);
  if (parts)
    return oneDay ? `${Number(parts[4])}h` : `${parts[3]}/${parts[2]} ${Number(parts[4])}h`;
  return /^\d{1,2}$/.test(key) ? `${Number(key)}h` : key;
}

/** Money for the end of a bar: 25k, 1.2M. */
function thousands(value) {
  if (value >= 1_000_000)
    return `${number(Math.round(value / 100_000) / 10)} ${t("traffic.million")}`;
  if (value >= 1000) return `${number(Math.round(value / 100) / 10)} ${t("traffic.thousand")}`;
  return number(value);
}
