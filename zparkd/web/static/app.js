// The shell: who is here, which view is shown, what the stream says, and the words around it.
//
// A view is a module with `show(place, app, signal)`: it fills `place`, and may return
// {status, event} to be told what the stream says. `signal` ends when another view is shown.

import { get, post, Problem, useToken } from "./api.js";
import { refusal } from "./dialog.js";
import { el, put } from "./dom.js";
import { language, number, remembered, t, translateShell, useLanguage } from "./i18n.js";
import { mark } from "./marks.js";
import { follow } from "./stream.js";
import { toast } from "./toast.js";
import { show as audit } from "./view-audit.js";
import { show as conflicts } from "./view-conflicts.js";
import { show as gate } from "./view-gate.js";
import { show as history } from "./view-history.js";
import { show as login } from "./view-login.js";
import { show as now } from "./view-now.js";
import { show as passes } from "./view-passes.js";
import { show as peers } from "./view-peers.js";
import { show as policy } from "./view-policy.js";
import { show as reports } from "./view-reports.js";
import { show as staff } from "./view-staff.js";
import { show as tariff } from "./view-tariff.js";
import { show as traffic } from "./view-traffic.js";
import { show as vehicles } from "./view-vehicles.js";

const VIEWS = {
  now,
  gate,
  vehicles,
  history,
  conflicts,
  traffic,
  reports,
  audit,
  tariff,
  passes,
  staff,
  policy,
  peers,
};
const NEEDS = { gate: "operator" }; // all others are shown to everyone
const ROLES = ["viewer", "operator", "admin"];
const place = (id) => document.getElementById(id);

const app = {
  session: { login_required: false, user: null, role: "viewer" },
  status: null, // the last one that came
  link: "connecting", // connecting, live, daemon-away, gateway-away
  may: (role) => ROLES.indexOf(app.session.role) >= ROLES.indexOf(role),
  toast,
  explain,
};
let shown = { name: null, told: {}, ending: null };
let stream = null;

/** What the address asks for: `#/history?plate=29A` is the view, what follows it, and the query. */
function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, rest = ""] = path.split("/");
  return {
    name: name in VIEWS && app.may(NEEDS[name] ?? "viewer") ? name : "now",
    rest: unescaped(rest),
    query: new URLSearchParams(query),
  };
}

function unescaped(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not made by this page
  }
}

/** Show the view of the address. `moved` is false where only words or data changed. */
function showView({ moved }) {
  const asked = route();
  const needsLogin = app.session.login_required && !app.session.user;
  const name = needsLogin ? "login" : asked.name;
  shown.ending?.abort();
  shown = { name, told: {}, ending: new AbortController() };
  const main = place("main");
  put(main);
  const title = t(`${name}.title`);
  main.append(el("h1", { tabindex: "-1" }, title));
  document.title = `${title} · ${app.status?.this_central ?? "zparkd"}`;
  drawNav(needsLogin ? null : name);
  const view = needsLogin ? login : VIEWS[name];
  app.route = asked;
  shown.told = view(main, app, shown.ending.signal) ?? {};
  if (app.status) shown.told.status?.(app.status);
  if (moved) main.querySelector("h1").focus();
}

function drawNav(current) {
  put(
    place("nav"),
    current === null
      ? []
      : Object.keys(VIEWS)
          .filter((name) => app.may(NEEDS[name] ?? "viewer"))
          .map((name) =>
            el(
              "a",
              { href: `#/${name}`, "aria-current": name === current ? "page" : null },
              t(`${name}.nav`),
            ),
          ),
  );
  place("nav").hidden = current === null;
  showCurrent();
}

/** Where the links of the views have to be scrolled sideways, the current one is in sight. */
function showCurrent() {
  const nav = place("nav");
  const current = nav.querySelector("[aria-current]");
  if (current) nav.scrollLeft = current.offsetLeft - (nav.clientWidth - current.offsetWidth) / 2;
}

function drawShell() {
  translateShell();
  place("language").value = language();
  place("theme").value = window.zparkdTheme.get();
  const { user, role } = app.session;
  place("who").hidden = place("logout").hidden = !user;
  if (user) put(place("who"), `${user} (${t(`role.${role}`)})`);
  drawLink();
}

/** Whether what is shown is how it is now: a word at the top, and a banner where it is not. */
function drawLink() {
  const kinds = { connecting: "busy", live: "good", "daemon-away": "bad", "gateway-away": "bad" };
  const nobody = app.session.login_required && !app.session.user; // it waits for a person
  put(place("live"), nobody ? [] : mark(kinds[app.link], t(`link.${app.link}`)));
  const away = app.link === "daemon-away" || app.link === "gateway-away";
  const banner = place("away");
  banner.hidden = !away;
  put(
    banner,
    away ? [mark("bad", t(`away.${app.link}`)), el("p", {}, t(`away.${app.link}.hint`))] : [],
  );
  document.body.classList.toggle("stale", away);
  const open = nobody ? 0 : (app.status?.open_conflicts ?? 0);
  place("open").hidden = open === 0;
  const long = el("span", { class: "long" }, t("shell.conflicts", { count: number(open) }));
  const short = el("span", { class: "short", "aria-hidden": "true" }, number(open));
  put(place("open"), mark("warn", [long, short]));
  if (app.status?.this_central) {
    put(place("central"), app.status.this_central);
    put(place("site"), t("shell.site", { site: app.status.site ?? "" }));
  }
}

function setLink(link) {
  if (link === app.link) return;
  const back = app.link.endsWith("away") && link === "live";
  app.link = link;
  drawLink();
  if (back) {
    toast("good", t("link.back"));
    if (!beingFilledIn()) showView({ moved: false });
  } else if (app.status) {
    shown.told.status?.(app.status);
  }
}

/** Whether a person would lose what they are writing. */
function beingFilledIn() {
  const at = document.activeElement;
  const writing = at?.matches("input, textarea, select") && place("main").contains(at);
  return writing || document.querySelector("dialog[open]") !== null;
}

function start() {
  stream?.stop();
  stream = follow({
    onStatus(status) {
      const away = status.daemon === "away";
      app.status = away ? { ...app.status, ...status } : status;
      setLink(away ? "daemon-away" : "live");
      drawLink();
      if (app.status.peers) shown.told.status?.(app.status);
    },
    onEvent: (event) => shown.told.event?.(event),
    onGap: (count) => toast("none", t("now.events.missed", { count })),
    onLink(up) {
      if (!up) setLink("gateway-away");
    },
    onRefused: enter,
  });
}

/** Ask who is here; then the page is theirs, or the login form is shown. */
async function enter() {
  stream?.stop();
  try {
    app.session = await get("/api/session");
    useToken(app.session.csrf);
  } catch (fault) {
    setLink("gateway-away");
    setTimeout(enter, 2000);
    if (!(fault instanceof Problem)) throw fault;
    return;
  }
  drawShell();
  showView({ moved: false });
  if (!app.session.login_required || app.session.user) start();
}
app.enter = enter;

/** A refusal, told in words; null where the call was only given up. */
function explain(fault) {
  if (fault.name === "AbortError") return null;
  if (!(fault instanceof Problem)) throw fault;
  if (fault.status === 401) enter();
  return refusal(fault, fault.status === 501 ? "empty" : "fault");
}

async function main() {
  const wished = remembered() ?? (await get("/api/session").catch(() => null))?.language ?? "vi";
  await useLanguage(wished);
  window.addEventListener("resize", showCurrent);
  window.addEventListener("hashchange", () => showView({ moved: true }));
  place("language").addEventListener("change", async (change) => {
    await useLanguage(change.target.value, { remember: true });
    drawShell();
    showView({ moved: false });
  });
  place("menu").addEventListener("click", () => {
    const shown = place("controls").classList.toggle("shown");
    place("menu").setAttribute("aria-expanded", String(shown));
  });
  place("theme").addEventListener("change", (change) =>
    window.zparkdTheme.set(change.target.value),
  );
  place("logout").addEventListener("click", async () => {
    await post("/api/logout", {});
    location.reload();
  });
  document.querySelector(".skip").addEventListener("click", (click) => {
    click.preventDefault(); // the address is the view's
    place("main").focus();
  });
  await enter();
}

main();
