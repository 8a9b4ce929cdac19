//! Reports as charts: horizontal bars, drawn as SVG without script, readable in grey.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde_json::Value;

use crate::edge::http::problem::{Code, Problem};

/// The width of a chart, in pixels.
const WIDTH: u32 = 760;
/// The height of a bar with its gap, in pixels.
const BAR: u32 = 26;
/// The most bars of a chart; the rest of the rows is left out.
const MOST_BARS: usize = 40;
/// The widest label, in units of its font size.
const WIDEST_LABEL: f64 = 13.0;
/// A dark and a light colour, which differ in grey too.
const COLOURS: [RGBColor; 2] = [RGBColor(31, 78, 121), RGBColor(174, 200, 224)];
const INK: RGBColor = RGBColor(34, 34, 34);

/// What a chart shows: a bar of each series for each label.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// The title.
    pub title: String,
    /// What the axis measures, with its unit.
    pub axis: &'static str,
    /// The labels, from top to bottom.
    pub labels: Vec<String>,
    /// The names of the series, each with its values; `None` where there is none.
    pub series: Vec<(String, Vec<Option<f64>>)>,
}

/// The funnel: cycles and people of each stage.
pub fn funnel(view: &Value) -> Chart {
    let stages = items(&view["totals"]);
    let values = |member: &str| stages.iter().map(|stage| stage[member].as_f64()).collect();
    Chart {
        title: titled("Funnel", view),
        axis: "number",
        labels: stages.iter().map(|stage| words(&stage["stage"])).collect(),
        series: vec![
            ("cycles".into(), values("cycles")),
            ("people".into(), values("people")),
        ],
    }
}

/// The trend of the key figures: their change against the previous period, in percent of that period.
pub fn kpis(view: &Value) -> Chart {
    let change = |figure: &&Value| {
        let (now, before) = (figure["value"].as_f64()?, figure["before"].as_f64()?);
        (before != 0.0).then(|| (words(&figure["figure"]), (now / before - 1.0) * 100.0))
    };
    let figures = items(&view["figures"]).iter().collect::<Vec<_>>();
    let (labels, values) = figures
        .iter()
        .filter_map(change)
        .map(|(label, value)| (label, Some(value)))
        .unzip();
    Chart {
        title: titled("Change of key figures", view),
        axis: "% of the previous period",
        labels,
        series: vec![("change".into(), values)],
    }
}

/// Attribution: the credit of each row.
pub fn attribution(view: &Value) -> Chart {
    let rows = items(&view["rows"]);
    let label = |row: &Value| match (&row["key"], row.get("second_key")) {
        (key, Some(second)) => {
            let half = |key: &Value| shortened(&name(key), WIDEST_LABEL / 2.0 - 0.5);
            format!("{}, {}", half(key), half(second))
        }
        (key, None) => name(key),
    };
    let value = |row: &Value| {
        row["figures"]["thousandths"]
            .as_f64()
            .map(|credit| credit / 1000.0)
    };
    Chart {
        title: titled(&format!("Credit by {}", words(&view["model"])), view),
        axis: "outcomes",
        labels: rows.iter().map(label).collect(),
        series: vec![("credit".into(), rows.iter().map(value).collect())],
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn words(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace('_', " ")
}

fn name(value: &Value) -> String {
    value.as_str().map_or_else(|| "unknown".to_owned(), str::to_owned)
}

/// The title with the days that the report covers.
fn titled(what: &str, view: &Value) -> String {
    let day = |member: &str| view["period"][member].as_str();
    match (day("from"), day("to")) {
        (Some(from), Some(to)) => format!("{what}, {from} to before {to}"),
        (Some(from), None) => format!("{what} since {from}"),
        (None, Some(to)) => format!("{what} before {to}"),
        (None, None) => what.to_owned(),
    }
}

impl Chart {
    /// The chart as an SVG document. It names its fonts by family and loads nothing.
    pub fn svg(&self) -> Result<String, Problem> {
        let mut text = String::new();
        let failed = |error: &dyn std::fmt::Display| Problem::new(Code::InternalError).because(error);
        self.draw(&mut text).map_err(|error| failed(&error))?;
        Ok(text)
    }

    fn draw(&self, text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        let bars = self.labels.len().min(MOST_BARS);
        // The legend has a band of its own below the bars.
        let legend = 0.5 + 0.7 * self.series.len() as f64;
        let height = 130 + BAR * bars.max(1) as u32 + (legend * f64::from(BAR)) as u32;
        let root = SVGBackend::with_string(text, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE)?;
        let font = |size: i32| ("sans-serif", size).into_font().color(&INK);
        if bars == 0 {
            let middle = font(16).pos(Pos::new(HPos::Center, VPos::Center));
            root.draw_text(&self.title, &font(18), (16, 16))?;
            root.draw_text(
                "There is nothing to show.",
                &middle,
                (WIDTH as i32 / 2, height as i32 / 2),
            )?;
            root.present()?;
            return Ok(());
        }
        let values = || {
            self.series
                .iter()
                .flat_map(|(_, values)| values.iter().take(bars).flatten().copied())
        };
        let (least, most) = values().fold((0.0_f64, 0.0_f64), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        // Room for the values beside their bars.
        let room = ((most - least) * 0.14).max(0.5);
        let least = if least < 0.0 { least - room } else { 0.0 };
        let mut chart = ChartBuilder::on(&root)
            .caption(&self.title, font(18))
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(190)
            .build_cartesian_2d(least..most + room, -legend..bars as f64)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .y_labels(0)
            .x_labels(7)
            .light_line_style(WHITE)
            .label_style(font(12))
            .axis_desc_style(font(13))
            .x_desc(self.axis)
            .x_label_formatter(&|value| shown(*value))
            .draw()?;
        let thickness = 0.76 / self.series.len().max(1) as f64;
        let top = |bar: usize| (bars - bar) as f64 - 0.12;
        for (place, (name, values)) in self.series.iter().enumerate() {
            let colour = COLOURS[place % COLOURS.len()];
            let edge = move |bar: usize| top(bar) - thickness * place as f64;
            let drawn = values.iter().take(bars).enumerate();
            let drawn = drawn.filter_map(|(bar, value)| value.map(|value| (bar, value)));
            let rectangle = |(bar, value): (usize, f64)| {
                Rectangle::new(
                    [
                        (value.min(0.0), edge(bar) - thickness),
                        (value.max(0.0), edge(bar)),
                    ],
                    colour.filled(),
                )
            };
            chart
                .draw_series(drawn.clone().map(rectangle))?
                .label(name)
                .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled()));
            let side = |value: f64| {
                if value < 0.0 {
                    (HPos::Right, -4)
                } else {
                    (HPos::Left, 4)
                }
            };
            chart.draw_series(drawn.map(|(bar, value)| {
                let (anchor, gap) = side(value);
                let style = font(11).pos(Pos::new(anchor, VPos::Center));
                EmptyElement::at((value, edge(bar) - thickness / 2.0))
                    + Text::new(shown(value), (gap, 0), style)
            }))?;
        }
        let labels = self.labels.iter().take(bars).enumerate();
        chart.draw_series(labels.map(|(bar, label)| {
            let style = font(13).pos(Pos::new(HPos::Right, VPos::Center));
            EmptyElement::at((least, (bars - bar) as f64 - 0.5))
                + Text::new(shortened(label, WIDEST_LABEL), (-8, 0), style)
        }))?;
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE)
            .border_style(INK)
            .label_font(font(12))
            .draw()?;
        root.present()?;
        Ok(())
    }
}

/// A number with at most one decimal.
fn shown(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    // Negative zero reads as zero.
    format!("{}", rounded + 0.0)
}

/// A label no wider than that, in units of its font size.
fn shortened(label: &str, widest: f64) -> String {
    // A picture shows nothing of marks that have no shape, and none may turn the text around.
    let plain: String = label
        .chars()
        .filter(|letter| !letter.is_control() && !is_format(*letter))
        .collect();
    if plain.chars().map(width).sum::<f64>() <= widest {
        return plain;
    }
    let mut left = widest - width('…');
    let fits = |letter: &char| {
        left -= width(*letter);
        left >= 0.0
    };
    plain.chars().take_while(fits).chain(['…']).collect()
}

/// About how wide a letter is in a sans-serif font, in units of the font size.
fn width(letter: char) -> f64 {
    match letter {
        'W' | 'M' | '@' | '%' | 'm' | 'w' => 0.95,
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | '.' | ',' | ' ' | '-' | '\'' => 0.35,
        // From the Hangul letters on, most are as wide as they are high; so are pictures.
        '\u{1100}'.. => 1.05,
        letter if letter.is_uppercase() => 0.75,
        _ => 0.57,
    }
}

/// Whether a letter only says how others are shown, such as a change of direction.
fn is_format(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(rows: &[(&str, i64)]) -> String {
        let row = |(key, credit): &(&str, i64)| json!({"key": key, "figures": {"thousandths": credit}});
        let rows: Vec<Value> = rows.iter().map(row).collect();
        let view = json!({"model": "linear", "rows": rows, "period": {"from": "2026-01-01", "to": null}});
        attribution(&view).svg().unwrap()
    }

    #[test]
    fn a_chart_has_title_axis_unit_labels_and_legend_and_no_script() {
        let chart = of(&[("paid_search", 1500), ("<script>alert(1)</script>&", -250)]);
        for text in [
            "Credit by linear since 2026-01-01",
            "outcomes",
            "paid_search",
            "1.5",
            "-0.3",
            "credit",
        ] {
            assert!(chart.contains(text), "{text}: {chart}");
        }
        assert!(
            chart.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;"),
            "{chart}"
        );
        assert!(!chart.contains("<script") && !chart.contains("href"), "{chart}");
        assert_eq!(
            chart,
            of(&[("paid_search", 1500), ("<script>alert(1)</script>&", -250)])
        );
    }

    #[test]
    fn no_rows_and_too_many_rows_are_a_chart_too() {
        assert!(of(&[]).contains("There is nothing to show."));
        let many: Vec<(String, i64)> = (0..60)
            .map(|row| (format!("campaign {row} {}", "long ".repeat(20)), row))
            .collect();
        let many: Vec<(&str, i64)> = many
            .iter()
            .map(|(name, credit)| (name.as_str(), *credit))
            .collect();
        let chart = of(&many);
        assert!(
            chart.contains("campaign 39") && !chart.contains("campaign 40"),
            "the first 40"
        );
        assert!(
            chart.contains('…') && !chart.contains(&"long ".repeat(5)),
            "long names are shortened"
        );
    }

    #[test]
    fn labels_are_as_wide_as_their_letters() {
        let shown = |label: &str| shortened(label, WIDEST_LABEL);
        let total = |label: &str| shown(label).chars().map(width).sum::<f64>();
        for label in [
            "W".repeat(40),
            "i".repeat(80),
            "漢".repeat(30),
            "\u{1f389}".repeat(30),
            "organic search ".repeat(4),
        ] {
            assert!(
                shown(&label).ends_with('…') && total(&label) <= WIDEST_LABEL,
                "{}",
                shown(&label)
            );
        }
        assert_eq!(shown("organic_social"), "organic_social");
        assert_eq!(
            shown("a\u{202e}b\u{200b}c\u{7}"),
            "abc",
            "nothing turns the text around"
        );
        let row = |key: &str, second: &str| json!({"key": key, "second_key": second, "figures": {"thousandths": 1}});
        let two =
            attribution(&json!({"model": "linear", "rows": [row(&"W".repeat(30), &"email ".repeat(9))]}));
        assert!(
            two.labels[0].contains("W…, email"),
            "each key by itself: {}",
            two.labels[0]
        );
    }

    #[test]
    fn a_trend_shows_what_can_be_compared() {
        let figure = |name: &str, value: Value, before: Value| json!({"figure": name, "value": value, "before": before});
        let view = json!({"figures": [
            figure("leads", json!(15), json!(10)), figure("mqls", json!(1), json!(0)),
            figure("win_rate", json!(0.2), json!(0.4)), figure("ltv", json!(null), json!(1)),
        ]});
        let chart = kpis(&view);
        assert_eq!(chart.labels, ["leads", "win rate"]);
        let change = &chart.series[0].1;
        assert!(change[0].is_some_and(|up| (up - 50.0).abs() < 1e-9));
        assert!(change[1].is_some_and(|down| (down + 50.0).abs() < 1e-9));
    }
}
