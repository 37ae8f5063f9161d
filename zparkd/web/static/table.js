// Tables that stay tables: on a narrow screen each row becomes a card whose cells carry their
// header. The roles are written out, because a row shown as a block would lose them.

import { el } from "./dom.js";

/**
 * `columns`: {head, cell(row), number?: true, wide?: true, whole?: true}; the first one names the
 * row, and what is `whole` is not broken into lines. A table of class `few` stays one on a phone.
 * `caption` says what is listed; `empty` is shown in place of a table without rows.
 */
export function table(caption, columns, rows, empty, attributes = {}) {
  if (rows.length === 0) return el("p", { class: "empty", ...attributes }, empty);
  const heads = columns.map((column) =>
    el(
      "th",
      { scope: "col", role: "columnheader", class: column.number ? "number" : null },
      column.head,
    ),
  );
  const rowsOf = el(
    "tbody",
    { role: "rowgroup" },
    rows.map((row) => line(columns, row)),
  );
  const head = el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads));
  return el(
    "div",
    { class: "scroll" },
    el("table", { role: "table", ...attributes }, el("caption", {}, caption), head, rowsOf),
  );
}

function line(columns, row) {
  return el(
    "tr",
    { role: "row" },
    columns.map((column, index) => {
      const content = column.cell(row);
      const kinds = {
        number: column.number,
        wide: column.wide,
        whole: column.whole,
        void: content?.classList?.contains("nothing"), // left out where rows are cards
      };
      const classes = Object.keys(kinds).filter((kind) => kinds[kind]);
      const shared = { class: classes.join(" ") || null, "data-head": column.head };
      return index === 0
        ? el("th", { scope: "row", role: "rowheader", ...shared }, content)
        : el("td", { role: "cell", ...shared }, content);
    }),
  );
}
