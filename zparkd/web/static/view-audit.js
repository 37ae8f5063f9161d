// Audit: what people did, at any central: when, where, who and why.

import { get } from "./api.js";
import { el, field, put } from "./dom.js";
import { dayTime, number, t, word } from "./i18n.js";
import { mark, nothing, plateLink } from "./marks.js";
import { table } from "./table.js";

const MOST = 200;

export function show(place, app, signal) {
  const since = el("input", {
    type: "date",
    name: "since",
    value: app.route.query.get("since") ?? "",
  });
  const list = el("div", { "aria-live": "polite" }, el("p", { class: "quiet" }, t("loading")));
  const form = el(
    "form",
    {
      class: "filters",
      onsubmit(submit) {
        submit.preventDefault();
        location.hash = `#/audit?${new URLSearchParams({ since: since.value })}`;
      },
    },
    field(t("audit.since"), since),
    el("div", { class: "actions" }, el("button", { class: "main" }, t("audit.show"))),
  );
  place.append(el("p", { class: "lead" }, t("audit.lead")), form, el("section", {}, list));
  get("/api/audit", { since: since.value, limit: MOST }, signal)
    .then(({ audit }) => put(list, listing(audit)))
    .catch((fault) => put(list, app.explain(fault) ?? []));
  return {};
}

function listing(rows) {
  const columns = [
    { head: t("col.time"), cell: (row) => dayTime(row.time), whole: true },
    { head: t("audit.what"), cell: what },
    { head: t("audit.about"), cell: about },
    { head: t("audit.who"), cell: (row) => row.who ?? nothing() },
    { head: t("audit.why"), wide: true, cell: (row) => row.why ?? nothing() },
    {
      head: t("audit.where"),
      cell: (row) => `${row.central}${row.edge_id ? `/${row.edge_id}` : ""}`,
    },
  ];
  const caption = t("audit.caption", { count: number(rows.length) });
  return table(caption, columns, rows, t("audit.none"));
}

function what(row) {
  return [
    word("kind", row.kind),
    row.forced ? el("span", { class: "under" }, mark("warn", t("vehicles.forced"))) : null,
    row.counts === false ? el("span", { class: "quiet under" }, t("audit.does_not_count")) : null,
  ];
}

function about(row) {
  if (row.plate_id) return plateLink(row.plate_id);
  return row.about ?? nothing();
}
