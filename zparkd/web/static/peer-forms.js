// The forms of the page of peers: this central, one peer, and the question before one is removed.
// Each is given what saves it; a refusal is shown in the form, and the form stays.

import { dialog, tried } from "./dialog.js";
import { el, field } from "./dom.js";
import { t } from "./i18n.js";

const ID = "[a-z0-9][a-z0-9\\-]{0,31}";

function portField(name, value, required) {
  return el("input", {
    name,
    type: "number",
    min: 1,
    max: 65535,
    inputmode: "numeric",
    value: value ?? "",
    required,
  });
}

/** The number in a field; undefined where it is left empty. */
const portOf = (input) => (input.value === "" ? undefined : Number(input.value));

/** This central: its id stands, address and port may change. */
export function centralForm(central, allowed, save) {
  const id = el("input", { name: "id", value: central.id, readonly: true });
  const ip = el("input", { name: "ip", value: central.ip, required: true, readonly: !allowed });
  const port = portField("p2p_port", central.p2p_port, true);
  const api = el("input", { name: "api_port", value: central.api_port ?? "", readonly: true });
  port.readOnly = !allowed;
  const said = el("div", { "aria-live": "assertive" });
  return el(
    "form",
    {
      class: "filters",
      async onsubmit(submit) {
        submit.preventDefault();
        await tried(() => save({ ...central, ip: ip.value.trim(), p2p_port: portOf(port) }), said);
      },
    },
    field(t("peers.central_id"), id, t("peers.central_id.hint")),
    field(t("peers.ip"), ip),
    field(t("peers.p2p_port"), port),
    field(t("peers.api_port"), api, t("peers.api_port.hint")),
    el("div", { class: "actions below" }, allowed ? el("button", {}, t("peers.save_own")) : null),
    said,
  );
}

/** A dialog that adds a peer (`peer` null) or changes one; resolves when it is closed. */
export function editPeer(peer, save) {
  const id = el("input", {
    name: "id",
    value: peer?.id ?? "",
    required: true,
    pattern: ID,
    readonly: peer !== null,
    autocomplete: "off",
  });
  const ip = el("input", {
    name: "ip",
    value: peer?.ip ?? "",
    required: true,
    autocomplete: "off",
  });
  const port = portField("p2p_port", peer?.p2p_port ?? 9000, true);
  const syncPort = portField("sync_port", peer?.sync_port, false);
  const key = el("input", {
    name: "public_key",
    value: peer?.public_key ?? "",
    maxlength: 40,
    autocomplete: "off",
    spellcheck: "false",
  });
  const fields = [
    field(t("peers.id"), id, t("peers.id.hint")),
    field(t("peers.ip"), ip),
    field(t("peers.p2p_port"), port),
    field(t("peers.sync_port"), syncPort, t("peers.sync_port.hint")),
    field(t("peers.public_key"), key, t("peers.public_key.hint")),
  ];
  const title = peer ? t("peers.edit.label", { peer: peer.id }) : t("peers.add");
  return dialog(title, fields, t("peers.save"), () => {
    const changed = { ...peer, id: id.value.trim(), ip: ip.value.trim(), p2p_port: portOf(port) };
    // What is not said stays as it is; null takes it away.
    if (syncPort.value || peer?.sync_port) changed.sync_port = portOf(syncPort) ?? null;
    if (key.value.trim() || peer?.public_key) changed.public_key = key.value.trim() || null;
    return save(changed);
  });
}

/** The question before a peer is removed. */
export function askRemove(peer, save) {
  const words = [el("p", {}, t("peers.remove.why"))];
  return dialog(
    t("peers.remove.label", { peer: peer.id }),
    words,
    t("peers.remove"),
    save,
    "danger",
  );
}
