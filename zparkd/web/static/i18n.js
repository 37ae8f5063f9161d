// The words of the page, and how numbers, money and times are written in the language chosen.
// Times are the site's, as the server gives them: the clock of the browser's machine never counts.

const LANGUAGES = { vi: "vi-VN", en: "en-GB" };
let words = {};
let code = "vi";

/** The language that this browser was told to use, or null. */
export function remembered() {
  try {
    const kept = localStorage.getItem("zparkd.language");
    return kept in LANGUAGES ? kept : null;
  } catch {
    return null;
  }
}

/** Use a language from now on; `remember` keeps it for the next visit. */
export async function useLanguage(chosen, { remember = false } = {}) {
  const next = chosen in LANGUAGES ? chosen : "vi";
  const response = await fetch(`/static/${next}.json`);
  if (!response.ok) throw new Error(`/static/${next}.json: ${response.status}`);
  words = await response.json();
  code = next;
  document.documentElement.lang = code;
  if (remember) {
    try {
      localStorage.setItem("zparkd.language", code);
    } catch {
      // not remembered, and used all the same
    }
  }
}

export const language = () => code;

/** The words of a key, with {names} filled in. An unknown key shows itself, to be mended. */
export function t(key, values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) =>
    name in values ? String(values[name]) : whole,
  );
}

export const has = (key) => key in words;

/** The words for a code of the daemon (`word("remark", "FORCED")`), or the code itself. */
export function word(group, value) {
  if (value === null || value === undefined) return t("none");
  return words[`${group}.${value}`] ?? String(value);
}

/** The code of a type of vehicle, however it is written: as tables print it, or as the code. */
export function typeCode(text) {
  const folded = (one) => one.normalize("NFC").toLowerCase().replaceAll(/\s/g, "");
  const found = Object.entries(words).find(
    ([key, value]) => key.startsWith("type.") && folded(value) === folded(text),
  );
  return found ? found[0].slice("type.".length) : text;
}

export function number(value) {
  if (value === null || value === undefined) return t("unknown");
  return new Intl.NumberFormat(LANGUAGES[code]).format(value);
}

export function money(amount, currency) {
  if (amount === null || amount === undefined) return t("none");
  try {
    return new Intl.NumberFormat(LANGUAGES[code], {
      style: "currency",
      currency: currency ?? "VND",
      maximumFractionDigits: 0,
    }).format(amount);
  } catch {
    return `${number(amount)} ${currency}`; // not a currency that Intl knows
  }
}

/** Site time as text, ISO 8601 or with a space, as a Date whose UTC fields it is; or null. */
function wallClock(text) {
  const parts = /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2})?))?/.exec(text ?? "");
  if (!parts) return null;
  const time = parts[2] ?? "00:00:00";
  const date = new Date(`${parts[1]}T${time.length === 5 ? `${time}:00` : time}Z`);
  return Number.isNaN(date.getTime()) ? null : date;
}

function shown(text, options) {
  const date = wallClock(text);
  if (!date) return text ? String(text) : t("never");
  return new Intl.DateTimeFormat(LANGUAGES[code], { timeZone: "UTC", ...options }).format(date);
}

const DAY = { day: "2-digit", month: "2-digit", year: "numeric" };
const DAY_OF_YEAR = { day: "2-digit", month: "2-digit" };
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };

/** A day and a time of the site. */
export function dayTime(text) {
  return wallClock(text) ? `${shown(text, CLOCK)} ${shown(text, DAY)}` : shown(text, DAY);
}

/** The same without the year, for what is of these days. */
export function shortTime(text) {
  const dayOfYear = () => shown(text, DAY_OF_YEAR).replace("-", "/"); // as days with a year have it
  return wallClock(text) ? `${shown(text, CLOCK)} ${dayOfYear()}` : shown(text, DAY);
}

export const clockTime = (text) => shown(text, CLOCK);

/** Now, as the site's clocks on the wall have it: `YYYY-MM-DD HH:MM:SS`. */
export function siteNow(zone) {
  return new Intl.DateTimeFormat("sv-SE", {
    timeZone: zone,
    dateStyle: "short",
    timeStyle: "medium",
  }).format();
}

/** A duration in whole minutes, rounded down, as people say it. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return t("none");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return t("duration.minutes", { minutes });
  return t("duration.hours", { hours: number(Math.floor(minutes / 60)), minutes: minutes % 60 });
}

/** A difference between two clocks. */
export function clockOffset(ms) {
  if (ms === null || ms === undefined) return t("unknown");
  const sign = ms < 0 ? "−" : "+";
  const size = Math.abs(ms);
  return size < 10_000
    ? `${sign}${number(size)} ms`
    : `${sign}${number(Math.round(size / 1000))} s`;
}

/** Words in the parts of the shell that stand in index.html. */
export function translateShell() {
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-label]")) {
    node.setAttribute("aria-label", t(node.dataset.tLabel));
  }
}
