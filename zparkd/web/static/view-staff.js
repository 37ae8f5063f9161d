// Staff: who may act by force and by hand.

import { el, field } from "./dom.js";
import { t } from "./i18n.js";
import { listView } from "./lists.js";
import { nothing } from "./marks.js";

export function show(place, app, signal) {
  return listView(place, app, signal, {
    name: "staff",
    fields: ["staff_id", "name"],
    key: (row) => row.staff_id,
    words: (row) => [row.staff_id, row.name].filter(Boolean).join(" · "),
    columns: [
      { head: t("correct.staff"), cell: (row) => row.staff_id },
      { head: t("staff.name"), cell: (row) => row.name ?? nothing() },
    ],
    form,
  });
}

function form(row) {
  const id = el("input", {
    name: "staff_id",
    value: row?.staff_id ?? "",
    required: true,
    maxlength: 64,
    readonly: row !== null,
  });
  const name = el("input", { name: "name", value: row?.name ?? "", maxlength: 255 });
  return {
    fields: [field(t("correct.staff"), id), field(t("staff.name"), name)],
    read: () => ({ staff_id: id.value.trim(), name: name.value.trim() || null }),
  };
}
