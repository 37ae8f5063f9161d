// This central and its peers as a drawing: who is linked, how far behind, whose clock is off.
//
// A central knows its own links and no others, so they are what is drawn. Wide: peers on both
// sides of this central. Narrow: this central on top, its peers below. The words of each box say
// all that the lines say.

import { svg } from "./dom.js";
import { clockOffset, number, shortTime, t } from "./i18n.js";
import { peerState, shapeAt } from "./marks.js";

const BOX = { width: 224, height: 78 };
const GAP = 16;
const EDGE = 2; // room for the outline
export const PULSE_MS = 700; // as long as the animation in views.css
const NARROW = 780;

/** The drawing of a status, `width` pixels wide; `stale` where it is an old one. */
export function mesh(status, width, stale) {
  const places = width < NARROW ? stacked(status.peers, width) : sided(status.peers, width);
  const title = t("mesh.label", {
    central: status.this_central,
    connected: status.connected_peers,
    total: status.total_peers,
  });
  return svg(
    "svg",
    {
      class: "mesh",
      viewBox: `0 0 ${width} ${places.height}`,
      width,
      height: places.height,
      role: "img",
      "aria-label": title,
    },
    places.trunk ? svg("path", { class: "trunk", d: places.trunk }) : null,
    places.peers.map(({ peer, path, middle }) => link(peer, path, middle, stale)),
    places.peers.map(({ peer, x, y }) => peerBox(peer, x, y, places.boxWidth, stale)),
    selfBox(status, places.self.x, places.self.y, places.boxWidth),
  );
}

/** Peers left and right of this central, in as many rows as they need. */
function sided(peers, width) {
  const rows = Math.max(1, Math.ceil(peers.length / 2));
  const height = Math.max(rows * (BOX.height + GAP) - GAP, 150) + 2 * EDGE;
  const self = { x: (width - BOX.width) / 2, y: (height - BOX.height) / 2 };
  const placed = peers.map((peer, index) => {
    const right = index % 2 === 0; // the first one to the right, as one reads
    const side = peers.length - rows;
    const count = right ? rows : side;
    const top = (height - (count * (BOX.height + GAP) - GAP)) / 2;
    const x = right ? width - BOX.width - EDGE : EDGE;
    const y = top + Math.floor(index / 2) * (BOX.height + GAP);
    const from = [right ? self.x + BOX.width : self.x, self.y + BOX.height / 2];
    const to = [right ? x : x + BOX.width, y + BOX.height / 2];
    const half = (from[0] + to[0]) / 2;
    const path = `M${from} C${half},${from[1]} ${half},${to[1]} ${to}`;
    return { peer, x, y, path, middle: [half, (from[1] + to[1]) / 2] };
  });
  return { peers: placed, self, height, boxWidth: BOX.width };
}

/** This central on top, its peers in a column below, on one trunk. */
function stacked(peers, width) {
  const indent = 44;
  const boxWidth = width - indent - EDGE;
  const self = { x: EDGE, y: EDGE };
  const trunk = EDGE + 18;
  const placed = peers.map((peer, index) => {
    const y = EDGE + (index + 1) * (BOX.height + GAP);
    const level = y + BOX.height / 2;
    const path = `M${trunk},${level} L${indent},${level}`;
    return { peer, x: indent, y, path, middle: [trunk, level] };
  });
  const lowest = placed.at(-1)?.middle[1] ?? BOX.height;
  return {
    peers: placed,
    self,
    trunk: `M${trunk},${BOX.height} L${trunk},${lowest}`,
    height: (peers.length + 1) * (BOX.height + GAP) - GAP + 2 * EDGE,
    boxWidth,
  };
}

function link(peer, path, [x, y], stale) {
  const [kind] = peerState(peer, stale);
  return svg(
    "g",
    { class: `link ${kind}`, "data-peer": peer.peer_id },
    svg("path", { class: "line", d: path }),
    svg("path", { class: "pulse", d: path, pathLength: 100 }),
    shapeAt(kind, x, y, 20),
  );
}

function peerBox(peer, x, y, width, stale) {
  const [kind, words] = peerState(peer, stale);
  const flow =
    peer.behind === null && peer.last_ping_time
      ? t("mesh.since", { time: shortTime(peer.last_ping_time) })
      : t("mesh.flow", { behind: number(peer.behind), lag: number(peer.lag) });
  const clock = t("mesh.clock", { offset: clockOffset(peer.clock_offset_ms) });
  const far = Math.abs(peer.clock_offset_ms ?? 0) > 10_000; // the daemon calls that a problem
  return svg(
    "g",
    { class: `node ${kind}`, transform: `translate(${x} ${y})` },
    svg("title", {}, [peer.peer_id, words, flow, clock, peer.error].filter(Boolean).join(" · ")),
    svg("rect", { width, height: BOX.height, rx: 8 }),
    svg("text", { class: "name", x: 12, y: 22 }, cut(peer.peer_id, width)),
    shapeAt(kind, 20, 39, 15),
    svg("text", { x: 34, y: 44 }, words),
    peer.connected && !peer.catching_up && !stale
      ? svg("text", { class: "quiet end", x: width - 12, y: 44 }, clock)
      : null,
    svg("text", { class: "quiet", x: 12, y: 65 }, flow),
    far ? shapeAt("warn", width - 18, 18, 15) : null,
  );
}

function selfBox(status, x, y, width) {
  return svg(
    "g",
    { class: "node self", transform: `translate(${x} ${y})` },
    svg("rect", { width, height: BOX.height, rx: 8 }),
    svg("text", { class: "name", x: 12, y: 22 }, cut(status.this_central, width)),
    svg("text", { x: 12, y: 44 }, t("mesh.self")),
    svg("text", { x: 12, y: 65 }, t("mesh.inside", { count: number(status.vehicles_inside) })),
  );
}

/** As much of a name as its box holds; the whole of it is in the title and in the table. */
function cut(name, width) {
  const most = Math.floor((width - 40) / 8.6);
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
}

/** Let a dot run along the link on which an event came. */
export function pulse(drawing, centralId) {
  for (const group of drawing.querySelectorAll(".link")) {
    if (group.dataset.peer !== centralId) continue;
    group.classList.remove("moving");
    void group.getBoundingClientRect(); // a running animation begins anew
    group.classList.add("moving");
  }
}
