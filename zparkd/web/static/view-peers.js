// Peers: this central's settings, its peers, and how far each is in step. What is saved is checked
// as a whole by the daemon and applies at once; what is refused changes nothing.

import { get, getTagged, post, putJson } from "./api.js";
import { el, put } from "./dom.js";
import { clockOffset, dayTime, number, shortTime, t } from "./i18n.js";
import { mark, peerState } from "./marks.js";
import { membersSection } from "./members.js";
import { askRemove, centralForm, editPeer } from "./peer-forms.js";
import { table } from "./table.js";

export function show(place, app, signal) {
  const own = el("div", {});
  const list = el("div", {});
  const said = el("div", { "aria-live": "polite" });
  const sync = el("div", {});
  const edges = el("div", {});
  const heading = el("h2", { tabindex: "-1" }, t("peers.list", { count: "…" }));
  const add = el(
    "button",
    { type: "button", class: "main", disabled: true, onclick: () => edit(null) },
    t("peers.add"),
  );
  if (!app.may("admin")) place.append(el("p", {}, mark("none", t("peers.read_only"))));
  place.append(
    section(el("div", { class: "heading" }, heading, app.may("admin") ? add : null), said, list),
    membersSection(app, signal),
    section(el("h2", {}, t("peers.own")), own),
    section(el("h2", {}, t("peers.sync")), sync),
    section(el("h2", {}, t("peers.edges")), edges),
  );
  const held = { config: null, tag: null };

  async function read() {
    try {
      const { body, tag } = await getTagged("/api/p2p/config", signal);
      take(body.config, tag);
    } catch (fault) {
      put(list, app.explain(fault) ?? []);
    }
  }

  function take(config, tag) {
    held.config = config;
    held.tag = tag;
    add.disabled = false;
    put(
      own,
      centralForm(config.this_central, app.may("admin"), (changed) =>
        save({ ...config, this_central: changed }),
      ),
    );
    drawList();
  }

  function drawList() {
    // A button that is being pressed must still be there when it is let go.
    if (!held.config || list.querySelector("button:active")) return;
    put(heading, t("peers.list", { count: number(held.config.peer_centrals.length) }));
    const at = focusedAction(list);
    put(list, peerTable(held.config.peer_centrals, app, { edit, test, remove }));
    if (at) list.querySelector(`[data-action="${at}"]`)?.focus();
  }

  /** Have a whole configuration checked and applied. Throws the Problem that says what is wrong. */
  async function save(config) {
    await putJson("/api/p2p/config", config, held.tag);
    await read();
    app.toast("good", t("peers.saved"));
  }

  async function edit(peer) {
    const peers = held.config.peer_centrals;
    const placed = (changed) =>
      peer ? peers.map((one) => (one.id === peer.id ? changed : one)) : [...peers, changed];
    await editPeer(peer, (changed) => save({ ...held.config, peer_centrals: placed(changed) }));
    const opened = peer && list.querySelector(`[data-action="${CSS.escape(`edit ${peer.id}`)}"]`);
    (opened ?? add).focus(); // the row was drawn anew
  }

  async function remove(peer) {
    const others = held.config.peer_centrals.filter((one) => one.id !== peer.id);
    await askRemove(peer, () => save({ ...held.config, peer_centrals: others }));
    heading.focus();
  }

  async function test(peer) {
    put(said, mark("busy", t("peers.testing", { peer: peer.id })));
    try {
      const answer = await post("/api/p2p/test-connection", undefined, { peer_id: peer.id });
      const words = t("peers.tested", { peer: peer.id, ms: number(answer.latency_ms) });
      put(said, el("p", {}, mark("good", words)));
    } catch (fault) {
      const ofPeer = fault.body?.peer_id !== undefined; // it was asked, and what it came to
      const words = t("peers.untested", { error: fault.message });
      put(said, ofPeer ? el("p", {}, mark("bad", words)) : (app.explain(fault) ?? []));
    }
  }

  async function readSync() {
    try {
      const { sync_state } = await get("/api/p2p/sync-state", {}, signal);
      put(sync, syncTable(sync_state));
    } catch (fault) {
      put(sync, app.explain(fault) ?? []);
    }
  }

  read();
  readSync();
  const timer = setInterval(() => document.hidden || readSync(), 5000);
  signal.addEventListener("abort", () => clearInterval(timer));
  return {
    status(status) {
      drawList();
      put(edges, edgeTable(status.edges ?? []));
    },
  };
}

function section(...children) {
  return el("section", {}, ...children);
}

/** Which of a table's buttons has the focus, to give it back after the table is drawn anew. */
function focusedAction(list) {
  const at = document.activeElement;
  return list.contains(at) && at.dataset.action ? CSS.escape(at.dataset.action) : null;
}

function peerTable(peers, app, { edit, test, remove }) {
  const told = new Map((app.status?.peers ?? []).map((peer) => [peer.peer_id, peer]));
  const away = app.link !== "live";
  const button = (peer, name, act, role) => {
    if (!app.may(role)) return null;
    return el(
      "button",
      {
        type: "button",
        "data-action": `${name} ${peer.id}`,
        "aria-label": t(`peers.${name}.label`, { peer: peer.id }),
        onclick: () => act(peer),
      },
      t(`peers.${name}`),
    );
  };
  const columns = [
    {
      head: t("peer.id"),
      cell: (peer) => [
        peer.id,
        el("span", { class: "quiet under address" }, `${peer.ip}:${peer.p2p_port}`),
      ],
    },
    {
      head: t("peer.state"),
      cell: (peer) => {
        const row = told.get(peer.id);
        if (!row) return mark("busy", t("peer.new"));
        return [
          mark(...peerState(row, away)),
          row.error ? el("span", { class: "under" }, row.error) : null,
        ];
      },
    },
    { head: t("peer.heard"), cell: (peer) => shortTime(told.get(peer.id)?.last_ping_time) },
    { head: t("peer.behind"), number: true, cell: (peer) => number(told.get(peer.id)?.behind) },
    { head: t("peer.lag"), number: true, cell: (peer) => number(told.get(peer.id)?.lag) },
    {
      head: t("peer.clock"),
      number: true,
      cell: (peer) => clockOffset(told.get(peer.id)?.clock_offset_ms),
    },
  ];
  if (app.may("operator")) {
    columns.push({
      head: t("peers.actions"),
      wide: true,
      cell: (peer) =>
        el(
          "div",
          { class: "actions" },
          button(peer, "test", test, "operator"),
          button(peer, "edit", edit, "admin"),
          button(peer, "remove", remove, "admin"),
        ),
    });
  }
  return table(t("peers.caption"), columns, peers, t("peers.none"));
}

function syncTable(rows) {
  const columns = [
    { head: t("peer.id"), cell: (row) => row.peer_central_id },
    { head: t("peers.synced_until"), cell: (row) => dayTime(row.last_sync_time) },
    { head: t("peers.updated"), cell: (row) => dayTime(row.updated_at) },
  ];
  return table(t("peers.sync.caption"), columns, rows, t("peers.none"), { class: "few" });
}

function edgeTable(rows) {
  const columns = [
    { head: t("col.edge"), cell: (row) => row.edge_id },
    { head: t("peers.last_seen"), cell: (row) => dayTime(row.last_seen) },
  ];
  return table(t("peers.edges.caption"), columns, rows, t("peers.edges.none"), { class: "few" });
}
