// States, told by a word and a shape; colour only repeats them.

import { el, svg } from "./dom.js";
import { t, word } from "./i18n.js";

const SHAPES = {
  good: "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm3.9 4.7L7.2 11 4 7.9l1.2-1.2 1.9 1.9 3.5-4Z",
  busy: "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 2v5l3.5 2-.8 1.3L6.4 9V3Z",
  warn: "M8 1 15.5 14.5H.5Zm-.9 4.8v4.4h1.8V5.8Zm0 5.6V13h1.8v-1.6Z",
  bad:
    "M5 1h6l4 4v6l-4 4H5l-4-4V5Zm.4 3.2L4.2 5.4 6.8 8l-2.6 2.6 1.2 1.2L8 9.2l2.6 2.6 " +
    "1.2-1.2L9.2 8l2.6-2.6-1.2-1.2L8 6.8Z",
  none: "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm-4 6h8v2H4Z",
  in: "M1 7h8L6 4l1.3-1.3L12.5 8l-5.2 5.3L6 12l3-3H1Zm12-5h2v12h-2Z",
  out: "M1 2h2v12H1Zm3 5h7L8 4l1.3-1.3L14.5 8l-5.2 5.3L8 12l3-3H4Z",
};

/** The shape alone, for where the word stands beside it. */
export function shape(kind, size = 16) {
  return svg(
    "svg",
    {
      class: `shape ${kind}`,
      viewBox: "0 0 16 16",
      width: size,
      height: size,
      "aria-hidden": "true",
    },
    svg("path", { d: SHAPES[kind], "fill-rule": "evenodd" }),
  );
}

/** The same inside a drawing, centred on a point. */
export function shapeAt(kind, x, y, size = 16) {
  const scale = size / 16;
  return svg(
    "g",
    {
      class: `shape ${kind}`,
      transform: `translate(${x - size / 2} ${y - size / 2}) scale(${scale})`,
    },
    svg("circle", { class: "behind", cx: 8, cy: 8, r: 9 }),
    svg("path", { d: SHAPES[kind], "fill-rule": "evenodd" }),
  );
}

export function mark(kind, words) {
  return el("span", { class: `mark ${kind}` }, shape(kind), el("span", {}, words));
}

/** How a peer is, in one word: what kind of state, and which. */
export function peerState(peer, away = false) {
  if (away) return ["none", t("peer.unknown")];
  if (peer.error) return ["bad", t("peer.refused")];
  if (!peer.connected) return ["bad", t(peer.last_ping_time ? "peer.lost" : "peer.never")];
  if (peer.catching_up) {
    const { missing, of } = peer.catching_up;
    return ["busy", t("peer.catching_up", { percent: Math.floor((100 * (of - missing)) / of) })];
  }
  if (peer.behind > 0) return ["busy", t("peer.syncing")];
  return ["good", t("peer.connected")];
}

/** What an event was: an arrow and a word. */
export function kindMark(kind) {
  const shapes = {
    VEHICLE_ENTRY_PENDING: "in",
    VEHICLE_ENTRY_CONFIRMED: "good",
    VEHICLE_EXIT: "out",
    VEHICLE_SEEN: "warn",
    BARRIER_MANUAL_OPEN: "warn",
  };
  return mark(shapes[kind] ?? "none", word("kind", kind));
}

export function stayMark(row) {
  return row.status === "IN" ? mark("in", t("stay.in")) : mark("out", t("stay.out"));
}

/** A plate as it is read on the vehicle, leading to its story. */
export function plateLink(plateId, view = null) {
  if (!plateId) return nothing();
  return el(
    "a",
    { class: "plate", href: `#/vehicles/${encodeURIComponent(plateId)}` },
    view || plateId,
  );
}

/** What is not there: a dash for the eye, a word for the ear. */
export function nothing(words = t("none")) {
  return el(
    "span",
    { class: "quiet nothing" },
    el("span", { "aria-hidden": "true" }, "—"),
    el("span", { class: "unseen" }, words),
  );
}

/** Codes in capitals, comma-separated, as words. */
export function remarks(codes) {
  if (!codes) return nothing();
  return el(
    "span",
    { class: "remarks" },
    codes.split(",").map((code) => mark("warn", word("remark", code.trim()))),
  );
}
