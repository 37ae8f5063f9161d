// Bars, drawn as SVG, each chart with the same numbers as a table. Series differ by colour and by
// filling, so that they are told apart in grey too.

import { drawnToWidth, el, freshId, svg } from "./dom.js";
import { table } from "./table.js";

const ROW = 30;
const TALL = 220;
const LETTER = 7.5; // about as wide as one is
const BOTTOM = 26;

/**
 * A figure: `rows` are {label, values}, `series` {name, style} in the order of the values, where a
 * style is "one", "two", "three" or "money"; `format` writes a value; `upright` bars stand (for
 * hours).
 */
export function chart({
  title,
  head,
  rows,
  series,
  format,
  short = format,
  upright,
  empty,
  asTable,
  signal,
}) {
  const drawing = el("div", { class: "drawing" });
  const columns = [
    { head, cell: (row) => row.label },
    ...series.map((one, index) => ({
      head: one.name,
      number: true,
      cell: (row) => format(row.values[index]),
    })),
  ];
  const most = Math.max(0, ...rows.flatMap((row) => row.values.map((value) => value ?? 0)));
  if (rows.length === 0 || most === 0) {
    return el("figure", {}, el("figcaption", {}, title), el("p", { class: "empty" }, empty));
  }
  const draw = upright ? standing : lying;
  drawnToWidth(
    drawing,
    (width) => draw({ title, rows, series, short, most: ceiling(most), width }),
    signal,
  );
  return el(
    "figure",
    {},
    el("figcaption", {}, title),
    legend(series),
    drawing,
    el(
      "details",
      { class: "as-table" },
      el("summary", {}, asTable),
      table(title, columns, rows, empty),
    ),
  );
}

function legend(series) {
  if (series.length < 2) return null;
  return el(
    "ul",
    { class: "series" },
    series.map((one) =>
      el(
        "li",
        {},
        frame("", 14, 14, (hatch) => bar(1, 1, 12, 12, one.style, hatch)),
        one.name,
      ),
    ),
  );
}

/** Bars side by side over a base line: for what follows one another, as hours do. */
function standing({ title, rows, series, short, most, width }) {
  const marks = [0, most / 2, most];
  const left = 14 + LETTER * Math.max(...marks.map((value) => short(value).length));
  const inner = width - left - 8;
  const step = inner / rows.length;
  const thick = Math.max(2, Math.min(22, (step * 0.76) / series.length));
  const height = TALL + BOTTOM;
  const told = (row, one, value) => `${row.label}, ${one.name}: ${short(value)}`;
  const level = (value) => 8 + (TALL - 8) * (1 - value / most);
  const longest = Math.max(...rows.map((row) => row.label.length));
  const every = Math.ceil((longest * 7 + 8) / step); // labels that have room
  return frame(title, width, height, (hatch) => [
    marks.map((value) => [
      svg("line", { class: "grid", x1: left, x2: width - 8, y1: level(value), y2: level(value) }),
      svg("text", { class: "end", x: left - 8, y: level(value) + 4 }, short(value)),
    ]),
    rows.map((row, index) => {
      const from = left + index * step + (step - thick * series.length) / 2;
      return [
        series.map((one, at) => {
          const value = row.values[at] ?? 0;
          const top = level(value);
          return value > 0
            ? bar(
                from + at * thick,
                top,
                thick - 1,
                TALL - top,
                one.style,
                hatch,
                told(row, one, value),
              )
            : null;
        }),
        index % every === 0
          ? svg(
              "text",
              { class: "middle", x: left + (index + 0.5) * step, y: TALL + 18 },
              row.label,
            )
          : null,
      ];
    }),
  ]);
}

/** Bars below each other, with their numbers at the end: for names. */
function lying({ title, rows, series, short, most, width }) {
  const each = ROW * series.length * 0.72 + 28;
  const told = (row, one, value) => `${row.label}, ${one.name}: ${short(value)}`;
  const room = width - 96; // the number stands behind the longest bar
  return frame(title, width, rows.length * each, (hatch) =>
    rows.map((row, index) => [
      svg("text", { x: 0, y: index * each + 16 }, row.label),
      series.map((one, at) => {
        const value = row.values[at] ?? 0;
        const y = index * each + 24 + at * ROW * 0.72;
        const long = Math.max(value > 0 ? 2 : 0, (room * value) / most);
        return [
          bar(0, y, long, ROW * 0.72 - 4, one.style, hatch, told(row, one, value)),
          svg("text", { x: long + 6, y: y + 13 }, short(value)),
        ];
      }),
    ]),
  );
}

/** One bar; `hatch` is what fills the second series, `words` what a mouse over it is told. */
function bar(x, y, width, height, style, hatch, words = null) {
  const fill = style === "two" ? `url(#${hatch})` : null;
  return svg(
    "rect",
    { class: `bar ${style}`, x, y, width, height, fill },
    words ? svg("title", {}, words) : null,
  );
}

/** A drawing; `draw` is given the name of its hatching. Without a title it only decorates. */
function frame(title, width, height, draw) {
  const label = title ? { role: "img", "aria-label": title } : { "aria-hidden": "true" };
  const id = freshId("hatch");
  const size = { width: 5, height: 5 };
  return svg(
    "svg",
    { class: "chart", viewBox: `0 0 ${width} ${height}`, width, height, ...label },
    svg(
      "pattern",
      { id, ...size, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("rect", { class: "hatch-ground", ...size }),
      svg("rect", { class: "hatch-line", ...size, width: 2.4 }),
    ),
    draw(id),
  );
}

/** The next round number, for the top of a scale; even, so that its half is whole. */
function ceiling(value) {
  const size = 10 ** Math.floor(Math.log10(value));
  const steps = [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10].map((step) => step * size);
  const round = steps.find((step) => step >= value);
  return round < 10 ? Math.ceil(round / 2) * 2 : round;
}
