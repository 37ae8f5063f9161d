// Calls of the gateway. A refusal becomes a Problem, whose message is what the gateway says.

export class Problem extends Error {
  constructor(status, code, message, body) {
    super(message);
    this.status = status; // of HTTP; 0 where the gateway can't be reached
    this.code = code;
    this.body = body;
  }
}

let csrf = null;

/** The token that calls which change something carry. */
export function useToken(token) {
  csrf = token;
}

/** What a path answers, as JSON. `query` leaves out what is empty. Throws Problem. */
export function get(path, query = {}, signal = undefined) {
  return call("GET", address(path, query), undefined, { signal });
}

/** The answer and its ETag, for what is read in order to be changed. */
export async function getTagged(path, signal) {
  const response = await request("GET", path, undefined, { signal });
  return { body: await read(response), tag: response.headers.get("ETag") };
}

export const post = (path, body, query = {}) => call("POST", address(path, query), body, {});

export function putJson(path, body, tag = null) {
  return call("PUT", path, body, tag ? { headers: { "If-Match": tag } } : {});
}

export function address(path, query) {
  const given = Object.entries(query).filter(([, v]) => v !== "" && v !== null && v !== undefined);
  const text = new URLSearchParams(given).toString();
  return text ? `${path}?${text}` : path;
}

async function call(method, path, body, options) {
  return read(await request(method, path, body, options));
}

async function request(method, path, body, { signal, headers = {} }) {
  const given = { Accept: "application/json", ...headers };
  if (method !== "GET" && csrf) given["X-CSRF-Token"] = csrf;
  if (body !== undefined) {
    given["Content-Type"] = typeof body === "string" ? "application/toml" : "application/json";
  }
  const sent = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
  try {
    return await fetch(path, { method, body: sent, headers: given, signal });
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
    throw new Problem(0, "no_gateway", fault.message, null);
  }
}

async function read(response) {
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) {
    return body;
  }
  const error = body?.error ?? {};
  const message = error.message ?? body?.detail ?? body?.title ?? `HTTP ${response.status}`;
  throw new Problem(response.status, error.code ?? "refused", message, body);
}
