// What happens, as it happens: server-sent events, and whether they still come.
//
// The browser reopens a stream that breaks, and names the last event it had. What it does not do:
// come back after an error answer, or notice a stream that is open and silent. Both are done here.

const SILENT_MS = 12_000; // the gateway says something at least every 5 s
const AGAIN_MS = [500, 1000, 2000, 4000];

/**
 * Follow the stream until `stop` of the returned object.
 *
 * `onStatus(status)` and `onEvent(event)` get what it says; `onGap(count)` that so many events
 * were too many to be sent again; `onLink(up)` whether the gateway is there. `onRefused()` is
 * called instead of coming back where a login is needed first.
 */
export function follow({ onStatus, onEvent, onGap, onLink, onRefused }) {
  let source = null;
  let tries = 0;
  let last = null; // the id of the last event, for a stream that is opened anew
  let timer = null;
  let silence = null;

  const heard = () => {
    tries = 0;
    clearTimeout(silence);
    silence = setTimeout(lost, SILENT_MS);
    onLink(true);
  };

  const open = () => {
    source = new EventSource(last === null ? "/api/stream" : `/api/stream?last_event_id=${last}`);
    clearTimeout(silence);
    silence = setTimeout(lost, SILENT_MS);
    source.addEventListener("status", (message) => {
      heard();
      onStatus(JSON.parse(message.data));
    });
    source.addEventListener("event", (message) => {
      heard();
      if (message.lastEventId) last = encodeURIComponent(message.lastEventId);
      onEvent(JSON.parse(message.data));
    });
    source.addEventListener("gap", (message) => onGap(JSON.parse(message.data).missed));
    source.addEventListener("error", lost);
  };

  const lost = async () => {
    source?.close();
    source = null;
    clearTimeout(silence);
    clearTimeout(timer);
    const answer = await fetch("/api/session").catch(() => null);
    const session = answer?.ok ? await answer.json().catch(() => null) : null;
    if (session?.login_required && !session.user) return onRefused();
    // Where only the stream was cut, the first try comes so soon that nobody needs to be told.
    if (!session || tries > 0) onLink(false);
    timer = setTimeout(open, AGAIN_MS[Math.min(tries, AGAIN_MS.length - 1)]);
    tries += 1;
  };

  open();
  return {
    stop() {
      source?.close();
      clearTimeout(timer);
      clearTimeout(silence);
    },
  };
}
