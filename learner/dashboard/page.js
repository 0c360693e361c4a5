// The page: follows runs, and brings everything on it up to date.

import { Charts } from "./charts.js";
import { Feed, Unauthorized, get, hasToken, query, rememberToken, takeTokenFromAddress } from "./feed.js";
import { count, number } from "./format.js";
import { Series } from "./series.js";
import { Events, Replays, RunList, Sessions, Tiles, showConfiguration } from "./tables.js";

const MOST_DRAWN = 8;
const ANNOUNCEMENT_INTERVAL_MS = 30_000;

const byId = (id) => document.getElementById(id);

/** Which runs are drawn, each in a colour that it keeps, and which is shown in detail. */
class Choice {
  #colors = new Map();
  details = null;

  constructor(runs) {
    runs.slice(0, MOST_DRAWN).forEach((run) => this.draw(run, true));
    this.details = runs[0] ?? null;
  }

  get drawn() {
    return [...this.#colors.keys()];
  }

  get isFull() {
    return this.#colors.size >= MOST_DRAWN;
  }

  color(run) {
    return this.#colors.get(run);
  }

  /** The run in detail stays: another takes its place first. */
  draw(run, wanted) {
    if (!wanted) {
      this.#colors.delete(run);
      if (this.details === run) this.details = this.drawn[0] ?? null;
      if (this.details === null) this.draw(run, true);
      return;
    }
    if (this.isFull) return;
    const taken = new Set(this.#colors.values());
    const free = Array.from({ length: MOST_DRAWN }, (_, color) => color).find((color) => !taken.has(color));
    this.#colors.set(run, free);
    this.details ??= run;
  }

  showDetails(run) {
    if (this.color(run) === undefined && this.isFull) this.draw(this.drawn.find((one) => one !== this.details), false);
    this.details = run;
    if (this.color(run) === undefined) this.draw(run, true);
  }
}

class Page {
  #series = new Map();
  #runs = [];
  #charts = new Charts(byId("charts"));
  #tiles = new Tiles();
  #sessions = new Sessions();
  #replays = new Replays();
  #events = new Events();
  #choice = null;
  #runList = null;
  #configured = null;
  #pending = false;
  #announced = { at: -Infinity, phase: null };
  #feed = new Feed({
    event: (name, data) => this.#take(name, data),
    connected: () => this.#showConnection(null),
    lost: (error) => this.#lost(error),
    unauthorized: () => this.#askForToken(),
  });

  constructor() {
    byId("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      rememberToken(byId("token").value.trim());
      this.start();
    });
    document.querySelectorAll("input[name=axis]").forEach((input) => input.addEventListener("change", () => this.#drawSoon()));
    document.addEventListener("visibilitychange", () => this.#drawSoon());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#drawSoon());
  }

  /** Finds out which runs there are, and follows them. */
  async start() {
    try {
      this.#runs = await (await get("api/runs")).json();
    } catch (error) {
      if (error instanceof Unauthorized) return this.#askForToken();
      this.#lost(error);
      return setTimeout(() => this.start(), 2000);
    }
    byId("token-form").hidden = true;
    const names = this.#runs.map((view) => view.run);
    const wanted = new URLSearchParams(location.search).getAll("run").filter((run) => names.includes(run));
    this.#choice = new Choice(wanted.length > 0 ? wanted : names);
    this.#runList = new RunList(this.#choice, (change) => this.#choose(change));
    this.#follow();
  }

  #follow() {
    for (const run of this.#series.keys()) if (!this.#choice.drawn.includes(run)) this.#series.delete(run);
    this.#feed.follow(this.#choice.drawn);
  }

  #choose(change) {
    const before = this.#choice.drawn.join("\n");
    change();
    const { drawn, details } = this.#choice;
    const ordered = [details, ...drawn.filter((run) => run !== details)];
    history.replaceState(null, "", location.pathname + query(ordered));
    if (drawn.join("\n") !== before) this.#follow();
    this.#drawSoon();
  }

  #take(name, data) {
    if (name === "runs") this.#takeRuns(data);
    else if (name === "run") this.#takeRun(data);
    else this.#showConnection(data);
    this.#drawSoon();
  }

  #takeRuns(views) {
    this.#runs = views;
    // A directory that was empty when the page was opened.
    if (this.#choice.details === null && views.length > 0) this.#choose(() => this.#choice.draw(views[0].run, true));
  }

  #takeRun(update) {
    if (!this.#series.has(update.run)) this.#series.set(update.run, new Series());
    this.#series.get(update.run).apply(update);
  }

  #drawSoon() {
    if (this.#pending || document.hidden) return;
    this.#pending = true;
    requestAnimationFrame(() => {
      this.#pending = false;
      this.#draw();
    });
  }

  #draw() {
    this.#runList?.show(this.#runs);
    const series = this.#series.get(this.#choice?.details);
    if (!series) {
      if (this.#choice?.details === null) byId("subtitle").textContent = "There is no run in this directory yet.";
      return;
    }
    byId("content").hidden = false;
    const { view } = series;
    this.#showHead(view);
    this.#tiles.show(view);
    this.#sessions.show(view.live);
    this.#replays.show(view.live);
    this.#events.show(view.run, series.events);
    this.#configure(view.run);
    const axis = document.querySelector("input[name=axis]:checked").value;
    const drawn = this.#choice.drawn.filter((run) => this.#series.has(run));
    const entry = (run) => ({ name: run, series: this.#series.get(run), color: this.#choice.color(run) });
    this.#charts.draw(axis, entry(view.run), drawn.map(entry));
    this.#announce(view);
  }

  #showHead({ run, experiment, seed, phase, problem }) {
    document.title = `${experiment || run} – Troop`;
    byId("title").textContent = experiment || run;
    byId("subtitle").textContent = problem ? `${run}: ${problem}` : `${run}, seed ${seed}`;
    byId("phase").dataset.phase = phase;
    byId("phase").textContent = phase;
  }

  async #configure(run) {
    if (this.#configured === run) return;
    this.#configured = run;
    try {
      showConfiguration(await (await get(`api/config${query([run])}`)).text());
    } catch (error) {
      // The next drawing tries again.
      this.#configured = null;
    }
  }

  /** Tells those who cannot see it how the run stands, now and then. */
  #announce({ run, phase, now, total_env_steps }) {
    const state = `${run} ${phase}`;
    if (state === this.#announced.phase && performance.now() - this.#announced.at < ANNOUNCEMENT_INTERVAL_MS) return;
    this.#announced = { at: performance.now(), phase: state };
    byId("announcement").textContent =
      `${run} is ${phase}: ${count(now.env_steps)} of ${count(total_env_steps)} env steps, mean return ${number(now.return_mean_100)}.`;
  }

  #lost(error) {
    const phase = this.#series.get(this.#choice?.details)?.view.phase;
    if (phase === "finished") this.#showConnection("its process has ended");
    else this.#showConnection(error instanceof TypeError || !error ? "connection lost, trying again" : error.message);
  }

  #showConnection(text) {
    byId("connection").hidden = text === null;
    byId("connection").textContent = text ?? "";
  }

  #askForToken() {
    byId("token-wrong").hidden = !hasToken();
    byId("token-form").hidden = false;
    byId("subtitle").textContent = "";
    byId("phase").textContent = "locked";
    byId("token").focus();
  }
}

takeTokenFromAddress();
new Page().start();
