// Conflicts: what the rules decided and a person should look at.

import { get } from "./api.js";
import { el, put } from "./dom.js";
import { dayTime, money, number, t, word } from "./i18n.js";
import { mark, nothing, plateLink } from "./marks.js";
import { table } from "./table.js";

const MOST = 200;

export function show(place, app, signal) {
  const list = el("div", { "aria-live": "polite" }, el("p", { class: "quiet" }, t("loading")));
  place.append(el("p", { class: "lead" }, t("conflicts.lead")), el("section", {}, list));
  async function read() {
    try {
      const { conflicts } = await get("/api/conflicts", { limit: MOST }, signal);
      put(list, listing(conflicts), meanings(conflicts));
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

function listing(rows) {
  const columns = [
    {
      head: t("conflicts.kind"),
      cell: (row) => mark("warn", word("remark", row.kind)),
      whole: true,
    },
    { head: t("col.plate"), cell: (row) => plateLink(row.plate_id) },
    { head: t("col.type"), cell: (row) => word("type", row.camera_type), whole: true },
    {
      head: t("col.time"),
      cell: (row) => [
        el("span", { class: "nowrap" }, dayTime(row.time)),
        el("span", { class: "quiet under" }, `${row.central}/${row.edge_id}`),
      ],
    },
    {
      head: t("col.fee"),
      number: true,
      cell: (row) => (row.fee === null ? nothing() : money(row.fee, row.currency)),
    },
    { head: t("conflicts.stay"), wide: true, cell: (row) => [counted(row), would(row)] },
  ];
  return table(
    t("conflicts.caption", { count: number(rows.length) }),
    columns,
    rows,
    t("conflicts.none"),
  );
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
