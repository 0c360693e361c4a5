//! Pictures of lines and dots, as SVG without a background: they are readable on light and dark
//! pages alike.

use std::ops::Range;

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::spread::{count, three_digits};

const SIZE: (u32, u32) = (900, 460);
/// Width of the list of series, right of the plot.
const LEGEND: i32 = 230;
/// For text and axes.
const INK: RGBColor = RGBColor(0x76, 0x82, 0x8e);
/// For what series are told apart by; the same order everywhere.
const COLOURS: [RGBColor; 10] = [
    RGBColor(0x2f, 0x81, 0xc9),
    RGBColor(0xd0, 0x74, 0x1c),
    RGBColor(0x2b, 0x92, 0x60),
    RGBColor(0xa0, 0x66, 0xd3),
    RGBColor(0xd6, 0x4f, 0x5c),
    RGBColor(0x1f, 0x93, 0x9e),
    RGBColor(0x8a, 0x85, 0x26),
    RGBColor(0xc9, 0x58, 0x97),
    RGBColor(0xa1, 0x70, 0x4a),
    RGBColor(0x6f, 0x7f, 0x8f),
];

/// A point: x and y.
pub(super) type Point = (f64, f64);

/// Why a picture cannot be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw a picture: {0}")]
pub(super) struct ChartError(String);

/// What an axis shows, and how.
pub(super) struct Axis {
    pub(super) label: &'static str,
    /// The base of a logarithmic axis.
    pub(super) logarithm: Option<f64>,
}

/// What has one colour and one line in the list of series.
#[derive(Default)]
pub(super) struct Series {
    pub(super) label: String,
    pub(super) thin: Vec<Vec<Point>>,
    pub(super) bold: Vec<Point>,
    pub(super) dots: Vec<Point>,
    /// A line that is held against others.
    pub(super) dashed: Vec<Point>,
}

/// A picture.
pub(super) struct Chart {
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
    /// Where a dashed line goes through the whole plot, and what it is.
    pub(super) level: Option<(f64, &'static str)>,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Plot<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Whether the backend took it.
type Drawn = Result<(), Box<dyn std::error::Error>>;

impl Chart {
    /// The picture as SVG.
    ///
    /// # Errors
    /// If the library cannot draw it.
    pub(super) fn svg(&self) -> Result<String, ChartError> {
        let mut text = String::new();
        {
            let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
            self.draw(&root)
                .map_err(|error| ChartError(error.to_string()))?;
        }
        Ok(text)
    }

    fn draw(&self, root: &Area<'_>) -> Drawn {
        let (left, right) = root.split_horizontally(SIZE.0 as i32 - LEGEND);
        let mut plot = ChartBuilder::on(&left)
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(64)
            .build_cartesian_2d(self.range(&self.x, |(x, _)| x), self.y_range())?;
        let text = |size: i32| ("sans-serif", size).into_font().color(&INK);
        plot.configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.25))
            .axis_style(INK)
            .x_labels(8)
            .y_labels(8)
            .x_label_formatter(&|x| self.x.text(*x))
            .y_label_formatter(&|y| self.y.text(*y))
            .label_style(text(13))
            .axis_desc_style(text(14))
            .x_desc(self.x.label)
            .y_desc(self.y.label)
            .draw()?;
        for (index, series) in self.series.iter().enumerate() {
            self.draw_series(&mut plot, series, colour(index))?;
        }
        if let Some((level, _)) = self.level {
            let x = self.range(&self.x, |(x, _)| x);
            let ends = [x.start, x.end].map(|x| (x, self.y.place(level)));
            plot.draw_series(DashedLineSeries::new(ends, 6, 4, INK.stroke_width(1)))?;
        }
        self.draw_legend(&right)
    }

    fn draw_series(&self, plot: &mut Plot<'_, '_>, series: &Series, colour: RGBColor) -> Drawn {
        let place = |(x, y): &Point| (self.x.place(*x), self.y.place(*y));
        for line in series.thin.iter().filter(|line| !line.is_empty()) {
            let style = colour.mix(0.45).stroke_width(1);
            plot.draw_series(LineSeries::new(line.iter().map(place), style))?;
        }
        if !series.bold.is_empty() {
            let bold = series.bold.iter().map(place);
            plot.draw_series(LineSeries::new(bold, colour.stroke_width(3)))?;
        }
        if !series.dashed.is_empty() {
            let dashed = series.dashed.iter().map(place);
            plot.draw_series(DashedLineSeries::new(dashed, 6, 4, colour.stroke_width(2)))?;
        }
        let dots = series.dots.iter().map(place);
        plot.draw_series(dots.map(|place| Circle::new(place, 4, colour.mix(0.8).filled())))?;
        Ok(())
    }

    fn draw_legend(&self, area: &Area<'_>) -> Drawn {
        let style = ("sans-serif", 14).into_font().color(&INK);
        let series = self.series.iter().enumerate();
        let rows = series.map(|(index, series)| (colour(index).stroke_width(3), &*series.label));
        let level = self.level.map(|(_, label)| (INK.stroke_width(1), label));
        for (row, (line, label)) in rows.chain(level).enumerate() {
            let y = 20 + 22 * row as i32;
            area.draw(&PathElement::new([(8, y), (30, y)], line))?;
            area.draw(&Text::new(label.to_owned(), (38, y - 7), style.clone()))?;
        }
        Ok(())
    }

    fn y_range(&self) -> Range<f64> {
        let Range { start, end } = self.range(&self.y, |(_, y)| y);
        let margin = (end - start) * 0.04;
        start - margin..end + margin
    }

    /// Where everything lies on an axis, the level included.
    fn range(&self, axis: &Axis, part: impl Fn(Point) -> f64) -> Range<f64> {
        let points = self
            .series
            .iter()
            .flat_map(Series::points)
            .map(|point| part(*point));
        // Of a level only the y matters: as an x it would be among the others already.
        let level = self.level.map(|(level, _)| part((f64::NAN, level)));
        let places = points.chain(level).map(|value| axis.place(value));
        let places = places.filter(|place| place.is_finite());
        let (start, end) = places.fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(least, most), place| (least.min(place), most.max(place)),
        );
        match end - start {
            length if length > 0.0 => start..end,
            // One value, or none.
            _ if start.is_finite() => start - 0.5..start + 0.5,
            _ => 0.0..1.0,
        }
    }
}

impl Axis {
    fn place(&self, value: f64) -> f64 {
        self.logarithm.map_or(value, |base| value.log(base))
    }

    fn text(&self, place: f64) -> String {
        match self.logarithm.map(|base| base.powf(place)) {
            None if place.abs() >= 999.5 => count(place),
            None => three_digits(place),
            Some(value) if value < 0.01 => format!("{value:.0e}"),
            Some(value) => three_digits(value),
        }
    }
}

impl Series {
    fn points(&self) -> impl Iterator<Item = &Point> {
        let lines = [&self.bold, &self.dots, &self.dashed];
        let thin = self.thin.iter().flatten();
        lines.into_iter().flatten().chain(thin)
    }
}

fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        Chart {
            x: Axis {
                label: "learning rate",
                logarithm: Some(10.0),
            },
            y: Axis {
                label: "score",
                logarithm: None,
            },
            series: vec![Series {
                label: "a3c".into(),
                thin: vec![vec![(1e-4, -20.0), (1e-2, 480.0)]],
                dots: vec![(1e-3, 200.0)],
                ..Series::default()
            }],
            level: Some((475.0, "threshold")),
        }
    }

    #[test]
    fn a_picture_has_its_lines_dots_axes_and_names() {
        let svg = chart().svg().unwrap();
        for part in [
            "<svg",
            "<polyline",
            "<circle",
            "learning rate",
            "score",
            "a3c",
            "threshold",
        ] {
            assert!(svg.contains(part), "no {part} in {svg}");
        }
        assert!(svg.contains("#2F81C9"), "{svg}");
        assert_eq!(svg, chart().svg().unwrap(), "the same picture each time");
    }

    #[test]
    fn nothing_to_show_is_an_empty_plot() {
        let empty = Chart {
            series: Vec::new(),
            level: None,
            ..chart()
        };
        assert!(empty.svg().unwrap().contains("learning rate"));
    }

    /// WCAG's contrast of a colour with another.
    fn contrast(a: RGBColor, b: RGBColor) -> f64 {
        let luminance = |RGBColor(red, green, blue): RGBColor| {
            let linear = |value: u8| match f64::from(value) / 255.0 {
                small if small <= 0.04045 => small / 12.92,
                value => ((value + 0.055) / 1.055).powf(2.4),
            };
            0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
        };
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn colours_are_seen_on_light_and_dark_pages() {
        let (light, dark) = (RGBColor(255, 255, 255), RGBColor(0x0d, 0x11, 0x17));
        for colour in COLOURS.into_iter().chain([INK]) {
            for page in [light, dark] {
                let contrast = contrast(colour, page);
                assert!(contrast >= 3.0, "{colour:?} on {page:?}: {contrast:.2}");
            }
        }
    }
}
