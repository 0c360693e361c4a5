// The charts: what each draws, and what it says to those who do not see it.

import { bounds, count, number, span, timeUnit } from "./format.js";

const TABLE_ROWS = 25;
/** Pixels of a curve that stands above others, of its name, and of what surrounds them all. */
const ROW = { curve: 66, name: 22, around: 50, least: 272 };
const CONFIG = { displayModeBar: false, responsive: true, showTips: false, doubleClick: "reset" };

/** The horizontal axis, for all runs that are drawn. */
class Axis {
  constructor(name, runs) {
    this.name = name;
    const longest = Math.max(0, ...runs.map((run) => run.series.column("wall_seconds").at(-1) ?? 0));
    this.unit = timeUnit(longest);
    this.title = name === "env_steps" ? "env steps" : this.unit.name;
  }

  values(series) {
    const column = series.column(this.name);
    return this.name === "env_steps" ? column : column.map((seconds) => seconds / this.unit.seconds);
  }

  /** Where something with `env_steps` and `wall_seconds` stands. */
  at(one) {
    return this.name === "env_steps" ? one.env_steps : one.wall_seconds / this.unit.seconds;
  }

  text(series, index) {
    return this.name === "env_steps"
      ? count(series.column("env_steps")[index])
      : span(series.column("wall_seconds")[index]);
  }
}

/** A line of one quantity of one run. */
function line(axis, run, column, name, color, more = {}) {
  return {
    type: "scatter",
    mode: run.series.length < 2 ? "lines+markers" : "lines",
    x: axis.values(run.series),
    y: run.series.column(column),
    name,
    connectgaps: true,
    line: { color, width: 2 },
    marker: { color, size: 6 },
    hovertemplate: "%{y:,.4~g}",
    ...more,
  };
}

/** What evaluations apart from training came to, where there are any. */
function evaluationLine(axis, { name, series, color }, several, theme) {
  const all = series.evaluations;
  const shade = theme.series[color];
  return {
    type: "scatter",
    mode: "lines+markers",
    x: all.map((one) => axis.at(one)),
    y: all.map((one) => one.return_mean),
    customdata: all.map((one) => one.return_std),
    name: several ? `${name}, evaluated` : "evaluated",
    line: { color: shade, width: 2, dash: "dot" },
    marker: { color: shade, size: 6 },
    hovertemplate: "%{y:,.4~g} ± %{customdata:,.3~g}",
    showlegend: true,
  };
}

/** A table of columns over the horizontal axis, thinned to what people read. */
function curveTable(axis, run, columns) {
  const length = axis.values(run.series).length;
  const step = Math.max(1, Math.ceil(length / TABLE_ROWS));
  const rows = [];
  for (let index = (length - 1) % step; index < length; index += step) {
    const values = columns.map(([column]) => number(run.series.column(column)[index]));
    rows.push([axis.text(run.series, index), ...values]);
  }
  return { head: [axis.title, ...columns.map(([, name]) => name)], rows };
}

/** Curves of one run, one above the other, each with a scale of its own. */
function stacked(axis, run, columns, theme) {
  const rows = Math.max(1, columns.length);
  const height = Math.max(ROW.least, rows * (ROW.curve + ROW.name) + ROW.around);
  const layout = { height, xaxis: { anchor: rows > 1 ? `y${rows}` : "y" }, annotations: [] };
  const data = columns.map(([column, name], index) => {
    const suffix = index === 0 ? "" : index + 1;
    const top = 1 - index / rows - ROW.name / (height - ROW.around);
    layout[`yaxis${suffix}`] = { domain: [1 - (index + 1) / rows, top], nticks: 4 };
    layout.annotations.push({ xref: "paper", x: 0, xanchor: "left", yref: "paper", y: top, yanchor: "bottom", showarrow: false, text: name, font: { color: theme.muted } });
    return line(axis, run, column, name, theme.series[index % 8], { yaxis: `y${suffix}`, showlegend: false });
  });
  return { data, layout, table: curveTable(axis, run, columns) };
}

function extremes(values) {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : { last: known.at(-1), low: Math.min(...known), high: Math.max(...known) };
}

function sentence(name, values) {
  const found = extremes(values);
  if (!found) return `${name}: nothing yet.`;
  return `${name}: now ${number(found.last)}, between ${number(found.low)} and ${number(found.high)} so far.`;
}

function learningCurve(axis, { run, drawn, theme }) {
  const several = drawn.length > 1;
  const evaluated = drawn.filter(({ series }) => series.evaluations.length > 0);
  const named = several || evaluated.length > 0;
  const data = drawn.map((one) =>
    line(axis, one, "return_mean_100", several ? one.name : "mean return", theme.series[one.color], { showlegend: named }),
  );
  data.push(...evaluated.map((one) => evaluationLine(axis, one, several, theme)));
  const goal = run.series.view.solve_return;
  const layout = { yaxis: { title: { text: "mean return" } } };
  if (goal !== null) {
    layout.shapes = [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: goal, y1: goal, line: { color: theme.muted, width: 1, dash: "dash" } }];
    layout.annotations = [{ xref: "paper", x: 0, xanchor: "left", y: goal, yanchor: "bottom", showarrow: false, text: `${run.series.view.solved_by_evaluation ? "solved, as evaluated," : "solved"} at ${number(goal)}`, font: { color: theme.muted } }];
  }
  const sentences = drawn.map((one) => sentence(several ? one.name : "Mean return", one.series.column("return_mean_100")));
  sentences.push(...evaluated.map((one) => sentence(several ? `${one.name}, evaluated` : "Evaluated", one.series.evaluations.map((each) => each.return_mean))));
  const summary = sentences.join(" ");
  const columns = [["return_mean_100", "mean return"]];
  if (run.series.evaluations.length > 0) columns.push(["evaluation_return_mean", "evaluated"]);
  const table = several
    ? { head: ["run", "env steps", "mean return", "best"], rows: drawn.map(({ name, series: { view: { now } } }) => [name, count(now.env_steps), number(now.return_mean_100), number(now.best_return_mean_100)]) }
    : curveTable(axis, run, columns);
  return { data, layout, summary, table };
}

function throughput(axis, { run, theme }) {
  const columns = [["env_steps_per_second", "env steps/s"], ["updates_per_second", "updates/s"]];
  return {
    ...stacked(axis, run, columns, theme),
    summary: columns.map(([column, name]) => sentence(name, run.series.column(column))).join(" "),
  };
}

function losses(axis, { run, theme }) {
  const columns = run.series.losses.map((term) => [`loss:${term}`, term]);
  return {
    ...stacked(axis, run, columns, theme),
    summary: columns.map(([column, name]) => sentence(name, run.series.column(column))).join(" ") || "No losses yet.",
  };
}

function stalenessHistogram(_axis, { run, theme }) {
  const buckets = run.series.view.now.staleness_histogram;
  const total = buckets.reduce((sum, bucket) => sum + bucket.count, 0);
  const share = (bucket) => (100 * bucket.count) / total;
  const labels = buckets.map(bounds);
  const { mean, p99, max } = run.series.view.now.staleness_updates;
  return {
    data: [{ type: "bar", x: labels, y: buckets.map(share), customdata: buckets.map((bucket) => bucket.count), name: "gradients", marker: { color: theme.series[0] }, hovertemplate: "%{y:.1f} %, %{customdata:,} gradients<extra></extra>" }],
    layout: { xaxis: { type: "category", title: { text: "staleness, updates" } }, yaxis: { title: { text: "% of gradients" } }, bargap: 0.15, hovermode: "closest" },
    summary: total === 0 ? "No gradient has been counted." : `Staleness of ${count(total)} gradients: mean ${number(mean)}, 99 % within ${number(p99)}, at most ${number(max)} updates.`,
    table: { head: ["staleness, updates", "gradients", "%"], rows: buckets.map((bucket) => [bounds(bucket), count(bucket.count), share(bucket).toFixed(1)]) },
  };
}

function stalenessCurve(axis, { run, theme }) {
  const columns = [["staleness_max_updates", "largest"], ["staleness_p99_updates", "99 % within"], ["staleness_mean_updates", "mean"]];
  const colors = [theme.series[7], theme.series[1], theme.series[0]];
  return {
    data: columns.map(([column, name], index) => line(axis, run, column, name, colors[index])),
    layout: { yaxis: { title: { text: "updates" } }, showlegend: true },
    summary: columns.map(([column, name]) => sentence(`Staleness, ${name}`, run.series.column(column))).join(" "),
    table: curveTable(axis, run, columns),
  };
}

function episodeLength(axis, { run, theme }) {
  const columns = [["episode_length_mean_100", "mean length"]];
  return {
    data: [line(axis, run, ...columns[0], theme.series[2])],
    layout: { yaxis: { title: { text: "env steps" } } },
    summary: sentence("Mean episode length", run.series.column("episode_length_mean_100")),
    table: curveTable(axis, run, columns),
  };
}

const CHARTS = [
  { id: "learning-curve", title: "Learning curve", note: "Mean return of the last 100 episodes, and of evaluations where there are any", size: "wide", draw: learningCurve },
  { id: "throughput", title: "Throughput", note: "Over the last ten seconds", draw: throughput },
  { id: "losses", title: "Losses", note: "Each term, averaged over recent segments", draw: losses },
  { id: "staleness-histogram", title: "Staleness", note: "Applied gradients by the updates that they were late", size: "small", draw: stalenessHistogram },
  { id: "staleness-curve", title: "Staleness over time", note: "Of the gradients applied since the point before", size: "small", draw: stalenessCurve },
  { id: "episode-length", title: "Episode length", note: "Mean of the last 100 episodes", size: "small", draw: episodeLength },
];

/** The colours of the page at the moment: the browser may change its scheme at any time. */
function theme() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: color("ink"),
    muted: color("muted"),
    grid: color("grid"),
    card: color("card"),
    line: color("line"),
    series: Array.from({ length: 8 }, (_, index) => color(`series-${index + 1}`)),
  };
}

function axisStyle(colors) {
  return { gridcolor: colors.grid, linecolor: colors.line, zerolinecolor: colors.line, zeroline: false, automargin: true, tickfont: { color: colors.muted }, title: { font: { color: colors.muted, size: 12 } } };
}

function merged(base, more) {
  const merge = (value, over) =>
    over && typeof over === "object" && !Array.isArray(over) && value && typeof value === "object"
      ? { ...value, ...Object.fromEntries(Object.entries(over).map(([key, inner]) => [key, merge(value[key], inner)])) }
      : over;
  return merge(base, more);
}

function layoutOf(axis, drawing, colors) {
  const style = axisStyle(colors);
  const base = {
    margin: { l: 60, r: 14, t: 10, b: 40 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colors.ink },
    hovermode: "x unified",
    hoverlabel: { bgcolor: colors.card, bordercolor: colors.line, font: { color: colors.ink } },
    showlegend: drawing.data.some((trace) => trace.showlegend),
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12 } },
    // Dragging zooms with a mouse; a finger scrolls the page.
    dragmode: matchMedia("(pointer: fine)").matches ? "zoom" : false,
    uirevision: axis.name,
    xaxis: { ...style, title: { ...style.title, text: axis.title }, rangemode: "tozero", tickformat: axis.name === "env_steps" ? "~s" : undefined, hoverformat: axis.name === "env_steps" ? ",d" : ".4~g" },
    yaxis: { ...style, rangemode: "tozero" },
  };
  const more = { ...drawing.layout };
  for (const key of Object.keys(more).filter((key) => /^yaxis\d/.test(key))) base[key] = { ...style };
  return merged(base, more);
}

function fillTable(table, { head, rows }) {
  const row = (cells, tag) => {
    const element = document.createElement("tr");
    for (const [index, text] of cells.entries()) {
      const cell = document.createElement(tag);
      cell.textContent = text;
      if (tag === "th") cell.scope = "col";
      if (index > 0) cell.className = "num";
      element.append(cell);
    }
    return element;
  };
  table.tHead.replaceChildren(row(head, "th"));
  table.tBodies[0].replaceChildren(...rows.map((cells) => row(cells, "td")));
}

/** A chart in its place on the page. */
class Chart {
  constructor(spec, parent) {
    this.spec = spec;
    const figure = document.getElementById("figure").content.cloneNode(true).firstElementChild;
    const heading = figure.querySelector("h2");
    figure.id = spec.id;
    heading.id = `${spec.id}-heading`;
    heading.textContent = spec.title;
    figure.setAttribute("aria-labelledby", heading.id);
    figure.querySelector("figcaption p").textContent = spec.note;
    if (spec.size) figure.dataset[spec.size] = "";
    this.plot = figure.querySelector(".plot");
    this.details = figure.querySelector("details");
    this.table = figure.querySelector("table");
    figure.querySelector(".scroll").setAttribute("aria-label", `${spec.title}, scrollable table`);
    this.details.addEventListener("toggle", () => this.#fill());
    parent.append(figure);
  }

  draw(axis, scene) {
    this.drawing = this.spec.draw(axis, scene);
    this.plot.setAttribute("aria-label", `${this.spec.title}. ${this.drawing.summary}`);
    const { height } = this.drawing.layout;
    if (height) this.plot.style.height = `${height}px`;
    Plotly.react(this.plot, this.drawing.data, layoutOf(axis, this.drawing, scene.theme), CONFIG);
    this.#fill();
  }

  #fill() {
    if (this.details.open && this.drawing) fillTable(this.table, this.drawing.table);
  }
}

/** All charts. */
export class Charts {
  #charts;

  constructor(parent) {
    this.#charts = CHARTS.map((spec) => new Chart(spec, parent));
  }

  /** Draws `run` in detail, and the curves of all that are `drawn`, each `{name, series, color}`. */
  draw(axisName, run, drawn) {
    const axis = new Axis(axisName, drawn);
    const scene = { run, drawn, theme: theme() };
    for (const chart of this.#charts) chart.draw(axis, scene);
  }
}
