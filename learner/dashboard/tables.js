// Everything on the page that is text: tiles, tables, events, configuration.

import { count, number, span } from "./format.js";

const RATE_WINDOW_MS = 10_000;

const byId = (id) => document.getElementById(id);

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Keeps the rows of a table in step with items that have keys; what did not change stays untouched. */
class Rows {
  #rows = new Map();

  constructor(body, make) {
    this.body = body;
    this.make = make;
  }

  /** `update(row, item)` brings a row up to date. */
  show(items, key, update) {
    const wanted = new Set(items.map(key));
    for (const [found, row] of this.#rows) {
      if (wanted.has(found)) continue;
      row.remove();
      this.#rows.delete(found);
    }
    items.forEach((item, index) => {
      let row = this.#rows.get(key(item));
      if (!row) this.#rows.set(key(item), (row = this.make(item)));
      if (this.body.children[index] !== row) this.body.insertBefore(row, this.body.children[index] ?? null);
      update(row, item);
    });
  }
}

/** What matters most, in large letters. */
export class Tiles {
  #tiles = new Map();

  show(view) {
    for (const [name, value, note] of tilesOf(view)) {
      const tile = this.#tiles.get(name) ?? this.#make(name);
      setText(tile.value, value);
      setText(tile.note, note);
    }
    const share = view.now.env_steps / Math.max(1, view.total_env_steps);
    byId("progress").value = Math.min(1, share);
    setText(byId("progress-text"), `${Math.floor(100 * Math.min(1, share))} %`);
  }

  #make(name) {
    const tile = { value: element("span"), note: element("dd", { className: "note" }) };
    byId("tiles").append(element("div", {}, element("dt", { textContent: name }), element("dd", {}, tile.value), tile.note));
    this.#tiles.set(name, tile);
    return tile;
  }
}

function tilesOf({ now, live, phase, solve_return, total_env_steps }) {
  const left = (total_env_steps - now.env_steps) / now.env_steps_per_second;
  const remaining = phase === "running" && left > 0 ? `${span(left)} left` : "";
  const goal = solve_return === null ? "" : `, goal ${number(solve_return)}`;
  const solved = now.seconds_to_solve === null ? remaining : `solved after ${span(now.seconds_to_solve)}`;
  const { mean, p99, max } = now.staleness_updates;
  const rejected = Object.values(now.rejected).reduce((sum, value) => sum + value, 0);
  const evaluated = now.last_evaluation;
  const evaluation = evaluated === null ? [] : [["Evaluated", number(evaluated.return_mean), `± ${number(evaluated.return_std)}, best ${number(now.best_evaluation.return_mean)}`]];
  return [
    ["Mean return", number(now.return_mean_100), `best ${number(now.best_return_mean_100)}${goal}`],
    ["Env steps", count(now.env_steps), `of ${count(total_env_steps)}`],
    ["Env steps/s", count(now.env_steps_per_second), `${count(now.updates_per_second)} updates/s`],
    ["Time", span(now.wall_seconds), solved],
    ["Staleness", number(mean), `99 % ≤ ${count(p99)}, all ≤ ${count(max)}`],
    ["Sessions", live ? count(live.session_count) : "–", live ? `${count(rejected)} gradients rejected` : "not in the files of a run"],
    ["Episodes", count(now.episodes), `${count(now.updates)} updates`],
    ...evaluation,
  ];
}

/** The workers that are connected. */
export class Sessions {
  #samples = new Map();
  #rows = new Rows(byId("sessions").tBodies[0], () => {
    const row = element("tr");
    for (let index = 0; index < 9; index += 1) row.append(element("td", { className: [1, 2, 8].includes(index) ? "" : "num" }));
    return row;
  });

  show(live) {
    byId("sessions-section").hidden = live === null;
    const sessions = live?.sessions ?? [];
    setText(byId("session-count"), live ? `${live.session_count}` : "");
    const more = (live?.session_count ?? 0) - sessions.length;
    byId("sessions-empty").hidden = sessions.length > 0 && more === 0;
    setText(byId("sessions-empty"), more > 0 ? `${more} more are in api/status.` : "No worker is connected.");
    this.#rows.show(sessions, (session) => session.session, (row, session) => this.#update(row, session));
    const known = new Set(sessions.map((session) => session.session));
    for (const id of this.#samples.keys()) if (!known.has(id)) this.#samples.delete(id);
  }

  #update(row, session) {
    const silent = session.gradients_applied + session.gradients_rejected === 0;
    const cells = [
      `${session.worker_index}`,
      session.worker,
      session.peer,
      count(this.#rate(session)),
      silent ? "–" : count(session.staleness_updates),
      silent ? "no gradient yet" : `${span(session.seconds_since_last_gradient)} ago`,
      count(session.gradients_applied),
      count(session.gradients_rejected),
      session.role,
    ];
    cells.forEach((text, index) => setText(row.cells[index], text));
    row.cells[7].classList.toggle("flag", session.gradients_rejected > 0);
  }

  /** Env steps a second over the last ten seconds; none after the first look. */
  #rate({ session, env_steps }) {
    const now = performance.now();
    const samples = (this.#samples.get(session) ?? []).filter(({ at }) => now - at < RATE_WINDOW_MS);
    samples.push({ at: now, env_steps });
    this.#samples.set(session, samples);
    const { at, env_steps: before } = samples[0];
    return now - at < 500 ? null : (1000 * (env_steps - before)) / (now - at);
  }
}

/** What lies between workers that act and workers that train. */
export class Replays {
  #rows = new Rows(byId("replays").tBodies[0], () => {
    const row = element("tr");
    for (let index = 0; index < 8; index += 1) row.append(element("td", { className: index === 1 ? "" : "num" }));
    return row;
  });

  show(live) {
    const replays = live?.replays ?? [];
    byId("replays-section").hidden = replays.length === 0;
    this.#rows.show(replays, (replay) => replay.index, (row, replay) => this.#update(row, replay));
  }

  #update(row, replay) {
    const said = replay.seconds_since_counts;
    const cells = [
      `${replay.index}`,
      replay.url,
      replay.attached ? (said === null ? "nothing yet" : `${span(said)} ago`) : "gone",
      count(replay.items_held),
      `${count(replay.bytes_held)} of ${count(replay.bytes_limit)}`,
      count(replay.items_drawn),
      number(replay.mean_age_versions),
      `${replay.appends_waiting} / ${replay.draws_waiting}`,
    ];
    cells.forEach((text, index) => setText(row.cells[index], text));
    row.cells[2].classList.toggle("flag", !replay.attached);
  }
}

/** The runs of a directory. `choice` says which are drawn, which is shown in detail, in which colours. */
export class RunList {
  #rows;

  constructor(choice, changed) {
    this.choice = choice;
    this.#rows = new Rows(byId("runs").tBodies[0], (view) => this.#make(view.run, changed));
  }

  show(views) {
    byId("runs-section").hidden = views.length < 2;
    this.#rows.show(views, (view) => view.run, (row, view) => this.#update(row, view));
  }

  #make(run, changed) {
    const draw = element("input", { type: "checkbox", ariaLabel: `Draw ${run}` });
    draw.addEventListener("change", () => changed(() => this.choice.draw(run, draw.checked)));
    const detail = element("input", { type: "radio", name: "detail", ariaLabel: `Details of ${run}` });
    detail.addEventListener("change", () => changed(() => this.choice.showDetails(run)));
    const name = element("td", {}, element("span", { className: "swatch" }), run);
    const row = element("tr", {}, element("td", {}, draw), element("td", {}, detail), name, element("td"));
    for (let index = 0; index < 5; index += 1) row.append(element("td", { className: "num" }));
    return row;
  }

  #update(row, { run, phase, problem, now }) {
    const color = this.choice.color(run);
    const [draw, detail] = row.querySelectorAll("input");
    draw.checked = color !== undefined;
    draw.disabled = color === undefined && this.choice.isFull;
    detail.checked = run === this.choice.details;
    row.querySelector(".swatch").style.background = color === undefined ? "transparent" : `var(--series-${color + 1})`;
    const cells = [
      phase,
      count(now.env_steps),
      number(now.return_mean_100),
      number(now.best_return_mean_100),
      span(now.seconds_to_solve),
      count(now.env_steps_per_second),
    ];
    cells.forEach((text, index) => setText(row.cells[3 + index], text));
    row.cells[3].title = problem ?? "";
  }
}

function plain(value) {
  if (typeof value !== "number") return String(value);
  return Number.isInteger(value) ? String(value) : number(value);
}

/** What happened, newest first. */
export class Events {
  #rows = new Rows(byId("events"), ({ level, message, fields, wall_seconds, unix_seconds }) => {
    const moment = new Date(1000 * unix_seconds);
    const time = element("time", { textContent: span(wall_seconds), dateTime: moment.toISOString(), title: moment.toLocaleString() });
    const particulars = Object.entries(fields).map(([name, value]) => `${name} ${plain(value)}`);
    const text = element("span", {}, element("span", { className: "level", textContent: message }));
    if (particulars.length > 0) text.append(element("span", { className: "muted", textContent: ` ${particulars.join(", ")}` }));
    if (level !== "info") text.prepend(element("span", { className: "level", textContent: `${level}: ` }));
    const item = element("li", {}, time, text);
    item.dataset.level = level;
    return item;
  });

  show(run, events) {
    byId("events-empty").hidden = events.length > 0;
    byId("events").hidden = events.length === 0;
    this.#rows.show([...events].reverse(), (event) => `${run} ${event.number}`, () => {});
  }
}

/** Shows TOML with its sections and keys told apart. */
export function showConfiguration(toml) {
  const lines = toml.split("\n").map((line) => {
    if (line.startsWith("[")) return element("span", { className: "toml-section", textContent: `${line}\n` });
    const at = line.indexOf(" = ");
    if (at < 0) return `${line}\n`;
    const key = element("span", { className: "toml-key", textContent: line.slice(0, at) });
    return element("span", {}, key, `${line.slice(at)}\n`);
  });
  byId("config").replaceChildren(...lines);
}
