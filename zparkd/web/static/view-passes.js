// Passes: who leaves without paying, and until when.

import { el, field } from "./dom.js";
import { dayTime, siteNow, t, word } from "./i18n.js";
import { listView } from "./lists.js";
import { mark, nothing, plateLink } from "./marks.js";
import { typeInput, typeOf } from "./type-input.js";

export function show(place, app, signal) {
  const today = siteNow(app.session.timezone).slice(0, 10);
  return listView(place, app, signal, {
    name: "passes",
    fields: ["plate_id", "camera_type", "valid_from", "valid_until", "holder"],
    key: (row) => [plateKey(row.plate_id), row.camera_type, row.valid_from].join(" "),
    words: (row) =>
      [row.plate_id, row.holder, `${dayTime(row.valid_from)} – ${dayTime(row.valid_until)}`]
        .filter(Boolean)
        .join(" · "),
    columns: [
      { head: t("col.plate"), cell: (row) => plateLink(row.plate_id) },
      { head: t("col.type"), cell: (row) => word("type", row.camera_type) },
      { head: t("passes.from"), cell: (row) => dayTime(row.valid_from) },
      { head: t("passes.until"), cell: (row) => dayTime(row.valid_until) },
      { head: t("passes.holder"), cell: (row) => row.holder ?? nothing() },
      { head: t("col.status"), cell: (row) => state(row, today) },
    ],
    form: (row) => form(row, today),
  });
}

function state(row, today) {
  if (row.valid_until < today) return mark("none", t("passes.over"));
  return row.valid_from > today ? mark("busy", t("passes.later")) : mark("good", t("passes.valid"));
}

function form(row, today) {
  const text = (name, value, more = {}) => el("input", { name, value: value ?? "", ...more });
  const day = (name, value) => text(name, value, { type: "date", required: true });
  const inputs = {
    plate_id: text("plate_id", row?.plate_id, { required: true, maxlength: 32 }),
    camera_type: typeInput(row?.camera_type ?? "car", { required: true }),
    valid_from: day("valid_from", row?.valid_from ?? today),
    valid_until: day("valid_until", row?.valid_until),
    holder: text("holder", row?.holder, { maxlength: 255 }),
  };
  return {
    fields: [
      field(t("col.plate"), inputs.plate_id),
      field(t("col.type"), inputs.camera_type),
      field(t("passes.from"), inputs.valid_from),
      field(t("passes.until"), inputs.valid_until, t("passes.until.hint")),
      field(t("passes.holder"), inputs.holder),
    ],
    read: () => ({
      plate_id: plateKey(inputs.plate_id.value),
      camera_type: typeOf(inputs.camera_type),
      valid_from: inputs.valid_from.value,
      valid_until: inputs.valid_until.value,
      holder: inputs.holder.value.trim() || null,
    }),
  };
}

/** A plate as the list has it; what is no plate, the central says. */
const plateKey = (text) =>
  String(text ?? "")
    .normalize("NFC")
    .toUpperCase()
    .replaceAll("Đ", "D")
    .replaceAll(/[\s.-]/g, "");
