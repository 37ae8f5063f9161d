// A field for a type of vehicle: written as tables print it, or as the code that cameras send.

import { el } from "./dom.js";
import { typeCode, word } from "./i18n.js";

const KNOWN = ["car", "motorbike", "truck"];

/** The field, for a code; its datalist of the types that have words stands beside it. */
export function typeInput(value = "", more = {}) {
  const shown = value ? word("type", value) : "";
  listTypes();
  const name = "camera_type";
  const shared = { name, value: shown, maxlength: 32, list: "types", autocomplete: "off" };
  return el("input", { ...shared, ...more });
}

/** The code of what is written in it; empty where nothing is. */
export const typeOf = (input) => typeCode(input.value.trim());

/** The list of types, once for the whole page, in its language. */
function listTypes() {
  document.getElementById("types")?.remove();
  const options = KNOWN.map((one) => el("option", { value: word("type", one) }));
  document.body.append(el("datalist", { id: "types" }, options));
}
