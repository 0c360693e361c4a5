// What the server tells, as server-sent events. They are read with fetch: EventSource cannot send the token.

const TOKEN = "troop-token";
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/** The token is missing or wrong. */
export class Unauthorized extends Error {}

/** Takes the token out of `#token=…`: it must not stay in the address bar or the history. */
export function takeTokenFromAddress() {
  // Not as a query: there a + is a space, and tokens are often base64.
  const found = location.hash.match(/^#token=(.+)$/);
  if (!found) return;
  rememberToken(decodeURIComponent(found[1]));
  history.replaceState(null, "", location.pathname + location.search);
}

/** Keeps the token for this tab. */
export function rememberToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

/** Whether there is one. */
export function hasToken() {
  return sessionStorage.getItem(TOKEN) !== null;
}

/** Fetches `path` of this server, with the token where there is one. */
export async function get(path, options = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (response.status === 401) throw new Unauthorized();
  if (!response.ok) throw new Error((await response.text()).trim() || `status ${response.status}`);
  return response;
}

/** The query that names runs. */
export function query(runs) {
  return runs.length === 0 ? "" : `?${new URLSearchParams(runs.map((run) => ["run", run]))}`;
}

/** Follows runs until it is told to follow others; a lost connection is tried again. */
export class Feed {
  #abort = new AbortController();
  #handlers;

  /** `event(name, data)`, `connected()`, `lost(error)` and `unauthorized()`. */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  /** Follows the named runs; none is the newest. */
  follow(runs) {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#keepReading(`api/events${query(runs)}`, this.#abort.signal);
  }

  async #keepReading(path, signal) {
    for (let pause = FIRST_PAUSE_MS; !signal.aborted; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        const response = await get(path, { signal });
        pause = FIRST_PAUSE_MS;
        this.#handlers.connected();
        await this.#read(response.body.pipeThrough(new TextDecoderStream()));
        if (!signal.aborted) this.#handlers.lost();
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Unauthorized) return this.#handlers.unauthorized();
        this.#handlers.lost(error);
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  async #read(stream) {
    let text = "";
    for (const reader = stream.getReader(); ; ) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      const blocks = text.split("\n\n");
      text = blocks.pop();
      blocks.forEach((block) => this.#dispatch(block));
    }
  }

  #dispatch(block) {
    const field = (name) =>
      block
        .split("\n")
        .filter((line) => line.startsWith(`${name}:`))
        .map((line) => line.slice(name.length + 1).replace(/^ /, ""))
        .join("\n");
    const data = field("data");
    if (data) this.#handlers.event(field("event"), JSON.parse(data));
  }
}
