// Conflicts: what the rules decided and a person should look at.

import { get } from "./api.js";
import { ackAct, settleAct, whoseAct } from "./corrections.js";
import { el, pressed, put } from "./dom.js";
import { dayTime, money, number, t, word } from "./i18n.js";
import { mark, nothing, plateLink } from "./marks.js";
import { table } from "./table.js";

const MOST = 200;

export function show(place, app, signal) {
  const every = app.route.query.get("all") === "1";
  const list = el("div", { "aria-live": "polite" }, el("p", { class: "quiet" }, t("loading")));
  const which = el(
    "p",
    {},
    every
      ? el("a", { href: "#/conflicts" }, t("conflicts.only_open"))
      : el("a", { href: "#/conflicts?all=1" }, t("conflicts.all")),
  );
  place.append(el("p", { class: "lead" }, t("conflicts.lead")), which, el("section", {}, list));
  async function read() {
    try {
      const query = { limit: MOST, all: every ? 1 : null };
      const { conflicts } = await get("/api/conflicts", query, signal);
      if (pressed(list)) return; // the next change draws it
      put(list, sums(conflicts), listing(conflicts, app, read), meanings(conflicts));
    } catch (fault) {
      put(list, app.explain(fault) ?? []);
    }
  }
  read();
  let known = null;
  return {
    status(status) {
      if (known !== null && status.events !== known) read();
      known = status.events;
    },
  };
}

/** What was taken too little and too much, in all. */
function sums(rows) {
  const open = rows.filter((row) => row.due && !row.acknowledged);
  const sum = (some) => some.reduce((whole, row) => whole + Math.abs(row.due), 0);
  const [little, much] = [open.filter((row) => row.due > 0), open.filter((row) => row.due < 0)];
  const lines = [
    little.length ? t("conflicts.too_little", { amount: money(sum(little)) }) : null,
    much.length ? t("conflicts.too_much", { amount: money(sum(much)) }) : null,
  ].filter(Boolean);
  return lines.map((line) => el("p", { class: "due" }, mark("warn", line)));
}

function listing(rows, app, done) {
  const columns = [
    {
      head: t("conflicts.kind"),
      cell: (row) => mark(row.acknowledged ? "none" : "warn", word("remark", row.kind)),
      whole: true,
    },
    { head: t("col.plate"), cell: (row) => plateLink(row.plate_id) },
    { head: t("col.type"), cell: (row) => word("type", row.camera_type), whole: true },
    {
      head: t("col.time"),
      cell: (row) => [
        el("span", { class: "nowrap" }, dayTime(row.time)),
        el("span", { class: "quiet under" }, [row.central, row.edge_id].filter(Boolean).join("/")),
      ],
    },
    {
      head: t("col.fee"),
      number: true,
      cell: (row) => (row.fee === null ? nothing() : money(row.fee, row.currency)),
    },
    {
      head: t("conflicts.stay"),
      wide: true,
      cell: (row) => [counted(row), would(row), dealtWith(row)],
    },
  ];
  if (app.may("operator")) {
    columns.push({
      head: t("peers.actions"),
      wide: true,
      cell: (row) =>
        el(
          "div",
          { class: "actions" },
          settleAct(app, row, done),
          whoseAct(app, row, done),
          ackAct(app, row, done),
        ),
    });
  }
  const caption = t("conflicts.caption", { count: number(rows.length) });
  return table(caption, columns, rows, t("conflicts.none"));
}

/** Who said of it that it is dealt with, and why. */
function dealtWith({ acknowledged }) {
  if (!acknowledged) return null;
  const words = t("conflicts.acknowledged", { who: acknowledged.who, why: acknowledged.why ?? "" });
  return el("span", { class: "under" }, mark("good", words));
}

function counted(row) {
  if (!row.stay) return nothing();
  return row.stay === row.event_id ? t("conflicts.itself") : el("code", {}, row.stay);
}

/** What a gate that knew all that is known now would have done otherwise. */
function would(row) {
  return row.now ? el("span", { class: "quiet under" }, word("conflicts.now", row.now)) : null;
}

/** What the kinds that stand in the list mean. */
function meanings(rows) {
  const kinds = [...new Set(rows.map((row) => row.kind))].sort();
  if (kinds.length === 0) return [];
  return el(
    "details",
    { open: true },
    el("summary", {}, t("conflicts.meanings")),
    el(
      "dl",
      { class: "meanings" },
      kinds.map((kind) =>
        el(
          "div",
          {},
          el("dt", {}, mark("warn", word("remark", kind))),
          el("dd", {}, word("remark.why", kind)),
        ),
      ),
    ),
  );
}
