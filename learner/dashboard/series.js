// What is known of one run: its curves, its events, and where it stands.

/** Points that are kept; then every second one goes. */
const MOST_POINTS = 4_000;
const MOST_RECENT = 60;
const MOST_EVENTS = 200;
const OF_EVALUATION = "evaluation_";

export class Series {
  /** Columns of the same length, by name; losses are `loss:TERM`. */
  #columns = { wall_seconds: [], env_steps: [] };
  /** How a live run stood since the newest point of its history, so that curves grow in between. */
  #recent = [];
  events = [];
  view = null;

  /** Takes what a `run` event says. */
  apply(update) {
    this.view = update;
    if (update.from_start) {
      this.#columns = { wall_seconds: [], env_steps: [] };
      this.#recent = [];
      this.events = [];
    }
    const { losses, ...columns } = update.points;
    for (const [term, values] of Object.entries(losses)) columns[`loss:${term}`] = values;
    this.#append(columns);
    this.#rememberNow();
    this.events = this.events.concat(update.events).slice(-MOST_EVENTS);
  }

  get length() {
    return this.#historyLength + this.#recent.length;
  }

  get #historyLength() {
    return this.#columns.env_steps.length;
  }

  /** The names of loss terms. */
  get losses() {
    return Object.keys(this.#columns)
      .filter((name) => name.startsWith("loss:"))
      .map((name) => name.slice("loss:".length))
      .sort();
  }

  /** A column, up to the moment. */
  column(name) {
    const values = this.#columns[name] ?? new Array(this.#historyLength).fill(null);
    const term = name.startsWith("loss:") ? name.slice("loss:".length) : null;
    const value = (now) => {
      if (name.startsWith(OF_EVALUATION)) return now.last_evaluation?.[name.slice(OF_EVALUATION.length)] ?? null;
      return (term === null ? now[name] : now.losses[term]) ?? null;
    };
    return [...values, ...this.#recent.map(value)];
  }

  /** Evaluations apart from training, each once, oldest first. */
  get evaluations() {
    const [steps, ...others] = ["env_steps", "wall_seconds", "return_mean", "return_std"].map((name) => this.column(OF_EVALUATION + name));
    const found = new Map();
    steps.forEach((env_steps, index) => {
      if (env_steps === null || found.has(env_steps)) return;
      const [wall_seconds, return_mean, return_std] = others.map((column) => column[index]);
      found.set(env_steps, { env_steps, wall_seconds, return_mean, return_std });
    });
    return [...found.values()];
  }

  #rememberNow() {
    const { live, now } = this.view;
    if (live !== null && now.env_steps > 0) this.#recent.push(now);
    const newest = this.#columns.wall_seconds.at(-1) ?? -1;
    this.#recent = this.#recent.filter((one) => one.wall_seconds > newest).slice(-MOST_RECENT);
  }

  #append(columns) {
    const added = columns.env_steps.length;
    const before = this.#historyLength;
    for (const [name, values] of Object.entries(columns)) {
      if (added > 0 && !(name in this.#columns)) this.#columns[name] = new Array(before).fill(null);
      this.#columns[name]?.push(...values);
    }
    for (const values of Object.values(this.#columns)) {
      while (values.length < before + added) values.push(null);
    }
    if (this.#historyLength > MOST_POINTS) this.#thinOut();
  }

  #thinOut() {
    for (const name of Object.keys(this.#columns)) {
      this.#columns[name] = this.#columns[name].filter((_, index) => index % 2 === 0);
    }
  }
}
