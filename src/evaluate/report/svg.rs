//! Just enough SVG for a report: axes, marks, labels that keep out of each other's way.

use std::fmt::Write;

/// Text for HTML and SVG, in elements and in attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A map from data to pixels along one direction, with its ticks.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    low: f64,
    high: f64,
    log: bool,
    from: f64,
    to: f64,
}

impl Axis {
    /// Data from `low` to `high` on pixels `from` to `to`; an empty or non-finite range is widened
    /// to a drawable one.
    pub fn linear(low: f64, high: f64, from: f64, to: f64) -> Axis {
        let (low, high) = if !low.is_finite() || !high.is_finite() {
            (0.0, 1.0)
        } else if high - low > 1e-12 * low.abs().max(high.abs()) {
            (low, high)
        } else {
            let margin = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
            (low - margin, low + margin)
        };
        Axis {
            low,
            high,
            log: false,
            from,
            to,
        }
    }

    /// The same for positive data, in powers of ten.
    pub fn log(low: f64, high: f64, from: f64, to: f64) -> Axis {
        let inner = Axis::linear(low.log10(), high.log10(), from, to);
        Axis { log: true, ..inner }
    }

    /// The pixel of a value; values outside the range lie on its edge.
    pub fn at(&self, value: f64) -> f64 {
        let value = if self.log { value.log10() } else { value };
        let value = value.clamp(self.low, self.high);
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    pub fn holds(&self, value: f64) -> bool {
        let value = if self.log { value.log10() } else { value };
        (self.low..=self.high).contains(&value)
    }

    /// About five round values with their labels.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let span = self.high - self.low;
        if self.log {
            let steps: &[f64] = match span {
                s if s < 1.5 => &[1.0, 2.0, 5.0],
                _ => &[1.0],
            };
            let skip = (span / 6.0).ceil().max(1.0) as i32;
            return (self.low.floor() as i32..=self.high.ceil() as i32)
                .filter(|decade| decade.rem_euclid(skip) == 0)
                .flat_map(|decade| steps.iter().map(move |s| s * 10f64.powi(decade)))
                .filter(|value| self.holds(*value))
                .map(|value| (value, plain(value)))
                .collect();
        }
        let rough = 10f64.powf((span / 5.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|s| s * rough)
            .into_iter()
            .find(|step| span / step <= 7.0)
            .unwrap_or(span);
        let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last)
            .map(|i| {
                let value = i as f64 * step;
                let label = if self.high.abs() >= 1e6 {
                    plain(value)
                } else {
                    format!("{value:.decimals$}")
                };
                (value, label)
            })
            .collect()
    }
}

/// A number without trailing zeros.
fn plain(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) {
        format!("{value:.0e}")
    } else {
        format!("{value}")
    }
}

/// A picture in the making, `width` by `height` pixels before it is scaled to its column.
pub struct Svg {
    width: f64,
    height: f64,
    title: String,
    body: String,
    labels: Vec<[f64; 4]>,
}

impl Svg {
    pub fn new(title: &str, width: f64, height: f64) -> Svg {
        Svg {
            width,
            height,
            title: title.to_owned(),
            body: String::new(),
            labels: Vec::new(),
        }
    }

    pub fn line(&mut self, class: &str, from: [f64; 2], to: [f64; 2]) {
        let ([x1, y1], [x2, y2]) = (from, to);
        self.path(class, &format!("M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}"));
    }

    pub fn path(&mut self, class: &str, d: &str) {
        self.push(format_args!("<path class=\"{class}\" d=\"{d}\"/>"));
    }

    /// Round dots: strokes of no length.
    pub fn dots(&mut self, class: &str, points: impl Iterator<Item = [f64; 2]>) {
        let d: String = points.map(|[x, y]| format!("M{x:.1} {y:.1}h0")).collect();
        if !d.is_empty() {
            self.path(&format!("dots {class}"), &d);
        }
    }

    /// A straight line through points.
    pub fn polyline(&mut self, class: &str, points: impl Iterator<Item = [f64; 2]>) {
        let mut d = String::new();
        for [x, y] in points {
            d += &format!("{}{x:.1} {y:.1}", if d.is_empty() { 'M' } else { 'L' });
        }
        if !d.is_empty() {
            self.path(class, &d);
        }
    }

    /// `anchor` is start, middle or end.
    pub fn text(&mut self, class: &str, anchor: &str, [x, y]: [f64; 2], text: &str) {
        self.push(format_args!(
            "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
            escape(text)
        ));
    }

    /// Keeps labels out of a box from its upper left to its lower right corner.
    pub fn reserve(&mut self, [left, top]: [f64; 2], [right, bottom]: [f64; 2]) {
        self.labels.push([left, top, right, bottom]);
    }

    /// A label beside a mark where no other label is, with a thin line to the mark when it had to
    /// move away.
    pub fn label(&mut self, class: &str, [x, y]: [f64; 2], text: &str, inside: [f64; 4]) {
        let wide = 6.9 * text.chars().count() as f64;
        let places = (0..9).flat_map(|ring| {
            let shift = 12.0 * f64::from(ring);
            let (right, left) = (x + 9.0, x - 9.0 - wide);
            [
                (right, y - shift),
                (left, y - shift),
                (right, y + shift),
                (left, y + shift),
            ]
        });
        let boxes = places.map(|(x, y)| [x, y - 7.0, x + wide, y + 5.0]);
        let fits = |b: &[f64; 4]| {
            b[0] >= inside[0] && b[1] >= inside[1] && b[2] <= inside[2] && b[3] <= inside[3]
        };
        let free = |b: &[f64; 4]| {
            self.labels
                .iter()
                .all(|a| b[2] < a[0] || a[2] < b[0] || b[3] < a[1] || a[3] < b[1])
        };
        let Some(place) = boxes.into_iter().find(|b| fits(b) && free(b)) else {
            return;
        };
        let middle = (place[1] + place[3]) / 2.0;
        if (middle - y).abs() > 10.0 {
            let near = if place[0] > x {
                place[0] - 2.0
            } else {
                place[2] + 2.0
            };
            self.line("leader", [x, y], [near, middle]);
        }
        self.labels.push(place);
        self.text(class, "start", [place[0], middle + 4.5], text);
    }

    /// Grid lines, tick labels and titles of a horizontal and a vertical axis.
    pub fn frame(&mut self, x: &Axis, y: &Axis, x_title: &str, y_title: &str) {
        for (value, label) in x.ticks() {
            let at = x.at(value);
            self.line("grid", [at, y.from], [at, y.to]);
            self.text("tick", "middle", [at, y.from + 16.0], &label);
        }
        for (value, label) in y.ticks() {
            let at = y.at(value);
            self.line("grid", [x.from, at], [x.to, at]);
            self.text("tick", "end", [x.from - 7.0, at + 4.0], &label);
        }
        self.text("axis", "end", [x.to, y.from + 33.0], x_title);
        self.text("axis", "start", [x.from - 34.0, y.to - 10.0], y_title);
    }

    pub fn finish(self) -> String {
        format!(
            "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">{}</svg>",
            self.width,
            self.height,
            escape(&self.title),
            self.body,
        )
    }

    fn push(&mut self, element: std::fmt::Arguments) {
        // Writing to a String does not fail.
        let _ = self.body.write_fmt(element);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let labels = |axis: Axis| axis.ticks().into_iter().map(|(_, l)| l).collect::<Vec<_>>();
        assert_eq!(
            labels(Axis::linear(0.93, 0.985, 0.0, 1.0)),
            ["0.93", "0.94", "0.95", "0.96", "0.97", "0.98"]
        );
        assert_eq!(
            labels(Axis::linear(0.0, 4.2, 0.0, 1.0)),
            ["0", "1", "2", "3", "4"]
        );
        assert_eq!(labels(Axis::log(0.02, 3.0, 0.0, 1.0)), ["0.1", "1"]);
        assert_eq!(labels(Axis::log(0.1, 0.6, 0.0, 1.0)), ["0.1", "0.2", "0.5"]);
    }

    #[test]
    fn any_range_can_be_drawn() {
        for (low, high) in [
            (1.0, 1.0),
            (0.0, 0.0),
            (f64::NAN, 1.0),
            (2.0, 1.0),
            (-1e300, 1e300),
        ] {
            for axis in [
                Axis::linear(low, high, 0.0, 10.0),
                Axis::log(low, high, 0.0, 10.0),
            ] {
                assert!(axis.ticks().len() < 50);
                for value in [low, high, 0.5] {
                    let at = axis.at(value);
                    assert!(
                        at.is_nan() || (-1e-9..=10.0 + 1e-9).contains(&at),
                        "{axis:?} {value} {at}"
                    );
                }
            }
        }
    }

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(
            escape("<a href='x\"&\u{7}"),
            "&lt;a href=&#39;x&quot;&amp; "
        );
        let mut svg = Svg::new("\"><script>", 10.0, 10.0);
        svg.text("tick", "middle", [0.0, 0.0], "</svg><script>");
        assert!(!svg.finish().contains("<script"));
    }
}
