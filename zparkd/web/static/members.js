// Members: who belongs to the site, by which key; who is invited; inviting and removing.
// A token is shown as text and as a QR code, which the gateway draws: it is sent to nobody else.

import { get, post, Problem } from "./api.js";
import { dialog, refusal } from "./dialog.js";
import { choice, el, field, put, svg } from "./dom.js";
import { dayTime, t } from "./i18n.js";
import { mark } from "./marks.js";
import { table } from "./table.js";

const EVERY_MS = 5000;

/** The section of members; it reads for itself until the signal ends it. */
export function membersSection(app, signal) {
  const list = el("div", {});
  const waiting = el("div", {});
  const shown = el("div", { "aria-live": "polite" });
  const admin = app.may("admin");

  async function read() {
    try {
      draw(await get("/api/members", {}, signal));
    } catch (fault) {
      put(list, app.explain(fault) ?? []);
    }
  }

  function draw({ centrals, edges, invitations }) {
    if (list.querySelector("button:active")) return; // it must still be there when it is let go
    const rows = [
      ...centrals.map((row) => ({ ...row, role: "central" })),
      ...edges.map((row) => ({ ...row, role: "edge", member: !row.removed })),
    ];
    put(list, memberTable(rows, admin, remove));
    put(
      waiting,
      invitations.map((one) =>
        el(
          "p",
          {},
          mark("busy", t("members.waiting", { member: one.member, until: dayTime(one.until) })),
        ),
      ),
    );
  }

  async function remove(row) {
    const words = [el("p", {}, t("members.remove.why"))];
    await dialog(
      t("members.remove.label", { member: row.id }),
      words,
      t("members.remove"),
      () => post("/api/members/remove", { member: row.id, role: row.role }),
      "danger",
    );
    await read();
  }

  async function invited(fields, said) {
    put(said);
    try {
      const given = await post("/api/members/invite", fields);
      put(shown, invitation(given));
      await read();
    } catch (fault) {
      if (!(fault instanceof Problem)) throw fault;
      put(said, refusal(fault));
    }
  }

  read();
  const timer = setInterval(() => document.hidden || read(), EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
  return el(
    "section",
    {},
    el("h2", {}, t("members.title")),
    waiting,
    list,
    admin ? inviteForm(invited) : null,
    shown,
  );
}

function memberTable(rows, admin, remove) {
  const columns = [
    {
      head: t("members.id"),
      cell: (row) => [
        row.id,
        el("span", { class: "quiet under address" }, row.address ?? t(`members.role.${row.role}`)),
      ],
    },
    {
      head: t("members.key"),
      cell: (row) => [
        el("code", {}, row.fingerprint ?? t("members.no_key")),
        row.standing === "this central" && row.public_key ? copyButton(row.public_key) : null,
      ],
    },
    {
      head: t("peers.actions"),
      cell: (row) =>
        row.member && admin && row.standing !== "this central"
          ? el(
              "button",
              {
                type: "button",
                "data-action": `remove member ${row.id}`,
                "aria-label": t("members.remove.label", { member: row.id }),
                onclick: () => remove(row),
              },
              t("members.remove"),
            )
          : standing(row),
    },
  ];
  return table(t("members.caption"), columns, rows, t("members.none"));
}

function standing(row) {
  if (row.standing === "this central") return t("members.own");
  return row.removed || row.standing === "removed" ? t("members.removed") : t("members.by_hand");
}

function inviteForm(invited) {
  const id = el("input", { name: "member", required: true, autocomplete: "off" });
  const role = choice({ name: "role" }, [
    ["central", t("members.role.central")],
    ["edge", t("members.role.edge")],
  ]);
  const said = el("div", { "aria-live": "assertive" });
  return el(
    "form",
    {
      class: "filters",
      async onsubmit(submit) {
        submit.preventDefault();
        await invited({ member: id.value.trim(), role: role.value }, said);
      },
    },
    field(t("members.invite.id"), id),
    field(t("members.invite.role"), role),
    el("div", { class: "actions below" }, el("button", { class: "main" }, t("members.invite"))),
    said,
  );
}

/** The token as text and as a QR code, with what to type where. */
function invitation({ token, member, role, until, qr }) {
  const command = `zparkctl join TOKEN${role === "edge" ? " --edge-file FILE" : ""}`;
  const side = qr.side + 8; // four light squares around it, so that cameras find it
  return el(
    "div",
    { class: "invitation" },
    el("p", {}, t("members.invited", { member, until: dayTime(until) })),
    el("p", {}, el("code", {}, command)),
    svg(
      "svg",
      {
        viewBox: `-4 -4 ${side} ${side}`,
        width: 280,
        height: 280,
        role: "img",
        "aria-label": t("members.qr", { member }),
        "shape-rendering": "crispEdges",
      },
      svg("rect", { x: -4, y: -4, width: side, height: side, fill: "#fff" }),
      svg("path", { d: qr.path, fill: "#000" }),
    ),
    el("textarea", { readonly: true, rows: 4, "aria-label": t("members.token"), value: token }),
    copyButton(token),
  );
}

function copyButton(text) {
  const button = el(
    "button",
    {
      type: "button",
      async onclick() {
        await navigator.clipboard?.writeText(text);
        put(button, t("members.copied"));
      },
    },
    t("members.copy"),
  );
  return button;
}
