// A file with a list in it: JSON, or CSV of a spreadsheet, whose first line names the columns.

import { t, typeCode } from "./i18n.js";

/** Its entries, with these fields. Throws an Error that says which line is wrong. */
export function parsed(text, fields) {
  const plain = text.replace(/^\uFEFF/, "").trim();
  if (plain.startsWith("[")) return ofJson(plain, fields);
  const rows = lines(plain);
  const names = (rows.shift() ?? []).map((name) => name.trim());
  const wrong = names.filter((name) => !fields.includes(name));
  if (names.length < 1 || wrong.length) {
    throw new Error(t("sheet.columns", { found: names.join(", "), fields: fields.join(", ") }));
  }
  return rows.map((cells, index) => {
    if (cells.length !== names.length) {
      const counts = { line: index + 2, found: cells.length, names: names.length };
      throw new Error(t("sheet.cells", counts));
    }
    return entry(Object.fromEntries(names.map((name, at) => [name, cells[at].trim()])), fields);
  });
}

function ofJson(text, fields) {
  try {
    return JSON.parse(text).map((row) => entry(row, fields));
  } catch (fault) {
    throw new Error(t("sheet.json", { fault: fault.message }));
  }
}

/** An entry with all its fields: what is empty is not there. */
function entry(row, fields) {
  const given = fields.map((name) => [name, row[name] === "" ? null : (row[name] ?? null)]);
  return Object.fromEntries(given.map(([name, value]) => [name, asCode(name, value)]));
}

/** As the list has it: a type may be written as tables print it, a day as people write it. */
function asCode(name, value) {
  if (name === "camera_type" && typeof value === "string") return typeCode(value);
  const day = name.startsWith("valid_") && /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/.exec(value ?? "");
  return day ? `${day[3]}-${day[2].padStart(2, "0")}-${day[1].padStart(2, "0")}` : value;
}

/** The cells of each line; the separator is the one of the first line. */
function lines(text) {
  const first = text.split(/\r?\n/, 1)[0];
  const separator = [";", "\t", ","].find((one) => first.includes(one)) ?? ",";
  const rows = [[""]];
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    const row = rows.at(-1);
    if (quoted && char === '"' && text[at + 1] === '"') {
      row[row.length - 1] += '"';
      at += 1;
    } else if (char === '"') {
      quoted = !quoted;
    } else if (!quoted && char === separator) {
      row.push("");
    } else if (!quoted && char === "\n") {
      rows.push([""]);
    } else if (quoted || char !== "\r") {
      row[row.length - 1] += char;
    }
  }
  return rows.filter((row) => row.length > 1 || row[0].trim());
}
