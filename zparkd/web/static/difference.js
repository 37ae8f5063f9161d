// What differs between two texts, line by line, with a little of what stands around it.

import { el } from "./dom.js";
import { t } from "./i18n.js";

const AROUND = 2;

/** The lines that go and those that come, as a list; null where there are none. */
export function difference(before, after) {
  const lines = compared(before.trim().split("\n"), after.trim().split("\n"));
  const changed = lines.flatMap(({ kind }, at) => (kind === "same" ? [] : [at]));
  if (changed.length === 0) return null;
  const near = (at) => changed.some((one) => Math.abs(one - at) <= AROUND);
  return el(
    "ol",
    { class: "diff", "aria-label": t("document.changes") },
    lines.map(({ kind, line }, at) => {
      if (!near(at)) return null;
      const words = kind === "same" ? null : el("span", { class: "unseen" }, t(`document.${kind}`));
      return el("li", { class: kind }, words, line || " ");
    }),
  );
}

/** Each line once, in order, as `same`, `gone` or `come`: by the longest run they share. */
function compared(before, after) {
  const longest = before.map(() => after.map(() => 0));
  const at = (i, j) => longest[i]?.[j] ?? 0;
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      longest[i][j] =
        before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push({ kind: "same", line: before[i] });
      i += 1;
      j += 1;
    } else if (i < before.length && (j === after.length || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ kind: "gone", line: before[i] });
      i += 1;
    } else {
      lines.push({ kind: "come", line: after[j] });
      j += 1;
    }
  }
  return lines;
}
