"""What Troop's dashboards are made of, on top of Grafana's own types.

Every expression is joined with `…_run_info`: that is what makes the variable `run` choose, exactly in time, and what
puts the run's name into the legend. `I` stands for the chosen instances, `R` for the time that rates are taken over.
"""

from dataclasses import dataclass
from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as dashboard_model
from grafana_foundation_sdk.models import heatmap as heatmap_model
from grafana_foundation_sdk.models import prometheus as prometheus_model

DATASOURCE = dashboard_model.DataSourceRef(type_val="prometheus", uid="${datasource}")
RATE = "[$__rate_interval]"
HEIGHT = 8


@dataclass(frozen=True)
class Part:
    """The learner or the actors: what their metrics are joined with, and the variable of their instances."""

    info: str
    variable: str
    label: str

    def expression(self, text: str) -> str:
        """`text` with `I` and `R` put in, for the chosen runs only."""
        chosen = text.replace("{I", '{instance=~"$%s"' % self.variable).replace("[R]", RATE)
        return f'({chosen}) * on (job, instance) group_left (run) {self.info}{{run=~"$run"}}'


LEARNER = Part("troop_learner_run_info", "instance", "Learner")
# Another name than the learner's: links between dashboards keep variables, and an actor is no learner.
ACTOR = Part("troop_actor_run_info", "actor", "Actor")
REPLAY = Part("troop_replay_run_info", "replay", "Replay")


@dataclass(frozen=True)
class Curve:
    """One query: PromQL without the join, and a legend in which `{{run}}` and the labels can be used."""

    text: str
    legend: str


def quantile(q: float, metric: str) -> str:
    """PromQL of a histogram's quantile, per instance."""
    return f"histogram_quantile({q}, sum by (job, instance, le) (rate({metric}_bucket{{I}}[R])))"


def mean(metric: str) -> str:
    """PromQL of a histogram's mean, per instance; nothing where nothing was observed."""
    return f"rate({metric}_sum{{I}}[R]) / (rate({metric}_count{{I}}[R]) > 0)"


def quantiles(metric: str, *which: float) -> list[Curve]:
    """A histogram's quantiles."""
    return [Curve(quantile(q, metric), f"{{{{run}}}} · {round(q * 100)} %") for q in which]


def query(expression: str, legend: str, name: str = "A") -> prometheus.Dataquery:
    """A query over the dashboard's time range. `name` tells a panel's queries apart."""
    code = prometheus_model.QueryEditorMode.CODE
    return prometheus.Dataquery().ref_id(name).expr(expression).legend_format(legend).editor_mode(code).range()


@dataclass(frozen=True)
class Look:
    """How a panel of curves looks beyond title, unit and axis."""

    span: int = 12
    log: bool = False
    stacked: bool = False
    at_least: float | None = None
    at_most: float | None = None
    repeat: str | None = None


def curves(
    part: Part, title: str, unit: str, axis: str, description: str, lines: list[Curve], look: Look = Look()
) -> timeseries.Panel:
    """Curves over time. `unit` is one of Grafana's, `axis` says in words what is drawn."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .height(HEIGHT)
        .span(look.span)
        .unit(unit)
        .axis_label(axis)
        .line_width(1)
        .fill_opacity(60 if look.stacked else 8)
        .show_points(common_model.VisibilityMode.NEVER)
        .legend(_legend())
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_model.TooltipDisplayMode.MULTI)
            .sort(common_model.SortOrder.DESCENDING)
        )
        .targets([query(part.expression(line.text), line.legend, name) for line, name in zip(lines, ascii_uppercase)])
    )
    if look.log:
        panel.scale_distribution(common.ScaleDistributionConfig().type(common_model.ScaleDistribution.LOG).log(2))
    if look.stacked:
        panel.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL).group("A"))
    if look.at_least is not None:
        panel.min(look.at_least)
    if look.at_most is not None:
        panel.max(look.at_most)
    if look.repeat is not None:
        panel.repeat(look.repeat).repeat_direction("h").max_per_row(3)
    return panel


def _legend() -> common.VizLegendOptions:
    table = common_model.LegendDisplayMode.TABLE
    legend = common.VizLegendOptions().show_legend(True).display_mode(table)
    return legend.placement(common_model.LegendPlacement.BOTTOM).calcs(["lastNotNull", "mean", "max"])


def heat(part: Part, title: str, unit: str, axis: str, description: str, metric: str) -> heatmap.Panel:
    """A histogram over time: how many a second fell into each bucket."""
    buckets = f"rate({metric}_bucket{{I}}[R])"
    joined = query(f"sum by (le) ({part.expression(buckets)})", "{{le}}")
    colours = heatmap.HeatmapColorOptions().mode(heatmap_model.HeatmapColorMode.SCHEME).scheme("Viridis").steps(64)
    return (
        heatmap.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .height(HEIGHT)
        .span(12)
        .unit(unit)
        .calculate(False)
        .cell_gap(1)
        .color(
            colours.scale(heatmap_model.HeatmapColorScale.EXPONENTIAL).exponent(0.5).fill("dark-orange").reverse(False)
        )
        .y_axis(heatmap.YAxisConfig().unit(unit).axis_label(axis).axis_placement(common_model.AxisPlacement.LEFT))
        .cell_values(heatmap.CellValues().unit("suffix:/s"))
        .mode(common_model.TooltipDisplayMode.SINGLE)
        .show_y_histogram()
        .show_color_scale(True)
        .show_legend()
        .with_target(joined.format(prometheus_model.PromQueryFormat.HEATMAP))
    )


def number(part: Part, title: str, unit: str, description: str, curve: Curve) -> stat.Panel:
    """The newest value, large, with its course behind it."""
    newest = common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .height(4)
        .span(6)
        .unit(unit)
        .reduce_options(newest)
        .graph_mode(common_model.BigValueGraphMode.AREA)
        .color_mode(common_model.BigValueColorMode.NONE)
        .text_mode(common_model.BigValueTextMode.VALUE_AND_NAME)
        .with_target(query(part.expression(curve.text), curve.legend))
    )


def board(part: Part, uid: str, title: str, description: str, panels: list) -> dashboard.Dashboard:
    """A dashboard with the variables that all of Troop's have."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["troop"])
        .timezone("browser")
        .readonly()
        .refresh("10s")
        .time("now-1h", "now")
        .tooltip(dashboard_model.DashboardCursorSync.CROSSHAIR)
        .link(_links())
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_variable("run", "Run", f"label_values({part.info}, run)"))
        .with_variable(_variable(part.variable, part.label, f'label_values({part.info}{{run=~"$run"}}, instance)'))
    )
    for number_, panel in enumerate(panels, start=1):
        made.with_panel(panel.id(number_))
    return made


def _links() -> dashboard.DashboardLink:
    kind = dashboard_model.DashboardLinkType.DASHBOARDS
    return (
        dashboard.DashboardLink("Troop")
        .type(kind)
        .tags(["troop"])
        .as_dropdown(False)
        .include_vars(True)
        .keep_time(True)
    )


def _variable(name: str, label: str, values: str) -> dashboard.QueryVariable:
    everything = dashboard_model.VariableOption(text="All", value="$__all", selected=True)
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": values, "refId": name})
        .refresh(dashboard_model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard_model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .current(everything)
    )
