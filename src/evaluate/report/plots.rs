//! The pictures that people look at first.

use super::super::evaluation::{Evaluation, Kind, Row};
use super::super::number::number;
use super::svg::{Axis, Svg};

/// Dots drawn per set.
const DOTS: usize = 300;
/// Points drawn per curve.
const POINTS: usize = 240;

/// The colour class of a row.
pub fn class(row: &Row) -> &'static str {
    match row.kind {
        Kind::Zoo => "zoo",
        Kind::HeldOut => "held-out",
        Kind::Samples => "samples",
        Kind::Baseline => {
            let starts = |word| row.name.starts_with(word);
            if starts("noise") {
                "noise"
            } else if starts("Gaussian") || starts("kernel") {
                "gaussian"
            } else if row.name.contains("soup") || starts("interpolation") {
                "soup"
            } else {
                "stored"
            }
        }
    }
}

/// Smallest and largest of the core values, widened to other values that are not too far off.
fn extent(core: impl Iterator<Item = f64>, others: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in core {
        (low, high) = (low.min(value), high.max(value));
    }
    let reach = 0.8 * (high - low);
    let (floor, ceiling) = (low - reach, high + reach);
    for value in others.filter(|value| (floor..=ceiling).contains(value)) {
        (low, high) = (low.min(value), high.max(value));
    }
    let margin = 0.06 * (high - low);
    (low - margin, high + margin)
}

fn is_core(row: &&Row) -> bool {
    row.kind != Kind::Baseline
}

/// Every n-th of many, so that at most `DOTS` remain.
fn thin<T>(items: impl ExactSizeIterator<Item = T>) -> impl Iterator<Item = T> {
    let step = items.len().div_ceil(DOTS).max(1);
    items.step_by(step)
}

/// Score against novelty: networks of zoo, held-out and samples as dots, each baseline's mean as a
/// ring, on the edge when it lies beyond.
pub fn scatter(evaluation: &Evaluation) -> String {
    const LEFT: f64 = 58.0;
    const RIGHT: f64 = 1024.0;
    let mut svg = Svg::new("Score against novelty", 1040.0, 500.0);
    let core = || evaluation.rows.iter().filter(is_core);
    let baselines = || evaluation.rows.iter().filter(|row| !is_core(row));
    let (_, far) = extent(
        core()
            .flat_map(|row| row.points.novelty.iter().map(|d| f64::from(*d)))
            .chain([0.0]),
        baselines().map(|row| row.novelty),
    );
    let (low, high) = extent(
        core()
            .flat_map(|row| row.points.score.iter().copied())
            .chain([evaluation.bar]),
        baselines().map(|row| row.score.mean),
    );
    let x = Axis::linear(0.0, far, LEFT, RIGHT);
    let y = Axis::linear(low, high, 452.0, 26.0);
    let title = "novelty: distance to the nearest zoo member, 1 = typical in the zoo";
    svg.frame(&x, &y, title, "score");
    let bar = y.at(evaluation.bar);
    svg.line("bar", [LEFT, bar], [RIGHT, bar]);
    svg.text(
        "note",
        "start",
        [LEFT + 6.0, bar + 14.0],
        "zoo's mean less one deviation",
    );
    svg.reserve([LEFT, bar + 6.0], [LEFT + 170.0, bar + 18.0]);
    for row in core() {
        let points = row.points.novelty.iter().zip(&row.points.score);
        svg.dots(
            class(row),
            thin(points).map(|(d, s)| [x.at((*d).into()), y.at(*s)]),
        );
    }
    // The last drawn lies on top, the first labelled has the best place.
    let marks: Vec<_> = core()
        .chain(baselines())
        .map(|row| (row, [x.at(row.novelty), y.at(row.score.mean)]))
        .collect();
    for (row, [at_x, at_y]) in marks.iter().rev() {
        let d = format!(
            "M{:.1} {at_y:.1}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0",
            at_x - 5.0
        );
        svg.path(&format!("ring {}", class(row)), &d);
        svg.reserve([at_x - 6.0, at_y - 6.0], [at_x + 6.0, at_y + 6.0]);
    }
    for (row, at) in marks {
        let name = if x.holds(row.novelty) && y.holds(row.score.mean) {
            row.name.clone()
        } else {
            format!(
                "{} (at {:.1}, {})",
                row.name,
                row.novelty,
                number(row.score.mean)
            )
        };
        svg.label(
            &format!("mark {}", class(row)),
            at,
            &name,
            [LEFT, 10.0, 1040.0, 458.0],
        );
    }
    svg.finish()
}

/// Nearest distances, one small histogram per set on a common axis.
pub fn distances(evaluation: &Evaluation) -> String {
    const BINS: usize = 64;
    const ROW: f64 = 20.0;
    const LEFT: f64 = 146.0;
    const RIGHT: f64 = 510.0;
    let rows: Vec<&Row> = evaluation
        .rows
        .iter()
        .filter(|row| row.score.n > 1)
        .collect();
    let bottom = 12.0 + ROW * rows.len() as f64;
    let mut svg = Svg::new("Distances to the nearest zoo member", 520.0, bottom + 42.0);
    let core = rows.iter().filter(|row| is_core(row));
    let (_, far) = extent(
        core.flat_map(|row| row.points.novelty.iter().map(|d| f64::from(*d)))
            .chain([0.0]),
        rows.iter().map(|row| row.novelty),
    );
    let x = Axis::linear(0.0, far, LEFT, RIGHT);
    for (value, label) in x.ticks() {
        svg.line("grid", [x.at(value), 8.0], [x.at(value), bottom]);
        svg.text("tick", "middle", [x.at(value), bottom + 16.0], &label);
    }
    let title = "distance, 1 = typical in the zoo; last bin: and beyond";
    svg.text("axis", "end", [RIGHT, bottom + 34.0], title);
    let bin_width = (RIGHT - LEFT) / BINS as f64;
    for (i, row) in rows.iter().enumerate() {
        let base = 12.0 + ROW * (i + 1) as f64;
        let name: String = row.name.chars().take(20).collect();
        let mut bins = [0usize; BINS];
        for distance in &row.points.novelty {
            let bin = (x.at(f64::from(*distance)) - LEFT) / bin_width;
            bins[(bin as usize).min(BINS - 1)] += 1;
        }
        let tallest = bins.iter().copied().max().unwrap_or(1).max(1);
        let mut d = format!("M{LEFT} {base:.1}");
        for (bin, count) in bins.iter().enumerate() {
            let left = LEFT + bin_width * bin as f64;
            let top = base - (ROW - 4.0) * *count as f64 / tallest as f64;
            d += &format!("L{left:.1} {top:.1}H{:.1}", left + bin_width);
        }
        d += &format!("L{RIGHT} {base:.1}Z");
        svg.line("grid", [LEFT, base], [RIGHT, base]);
        svg.path(&format!("area {}", class(row)), &d);
        svg.text(
            &format!("mark {}", class(row)),
            "end",
            [LEFT - 8.0, base - 3.0],
            &name,
        );
    }
    svg.finish()
}

/// First two principal components of the zoo, with some baselines.
pub fn map(evaluation: &Evaluation) -> String {
    const SHOWN: [&str; 3] = ["noise", "Gaussian, all comp.", "soup of 4"];
    let mut svg = Svg::new("Principal-component map", 520.0, 430.0);
    let baselines = SHOWN.iter().filter_map(|name| {
        evaluation
            .rows
            .iter()
            .find(|row| row.kind == Kind::Baseline && row.name.starts_with(name))
    });
    let rows: Vec<&Row> = baselines
        .chain(evaluation.rows.iter().filter(is_core))
        .collect();
    let unit = evaluation.typical_distance;
    let points = |row: &Row| -> Vec<[f64; 2]> {
        row.points
            .map
            .iter()
            .map(|p| p.map(|c| f64::from(c) / unit))
            .collect()
    };
    let range = |k: usize| {
        let (core, others): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| is_core(row));
        let along = |row: &Row| points(row).into_iter().map(move |p| p[k]);
        extent(
            core.into_iter().flat_map(along),
            others.into_iter().flat_map(along),
        )
    };
    let ((left, right), (low, high)) = (range(0), range(1));
    let x = Axis::linear(left, right, 44.0, 510.0);
    let y = Axis::linear(low, high, 346.0, 26.0);
    let share = |k: usize| {
        format!(
            "{:.0}% of the zoo's variance",
            100.0 * evaluation.explained[k]
        )
    };
    let title = |k: usize| format!("component {}: {}", k + 1, share(k));
    svg.frame(&x, &y, &title(0), &title(1));
    for row in &rows {
        svg.dots(
            class(row),
            thin(points(row).iter()).map(|[a, b]| [x.at(*a), y.at(*b)]),
        );
    }
    let (mut at, mut line) = (14.0, 400.0);
    for row in rows.iter().rev() {
        let wide = 28.0 + 6.4 * row.name.chars().count() as f64;
        if at + wide > 520.0 {
            (at, line) = (14.0, line + 18.0);
        }
        svg.dots(class(row), [[at, line]].into_iter());
        svg.text(
            &format!("mark {}", class(row)),
            "start",
            [at + 9.0, line + 4.0],
            &row.name,
        );
        at += wide;
    }
    svg.finish()
}

/// Losses over training steps, on a logarithmic axis when all are positive. None when there is
/// nothing to draw.
pub fn losses(title: &str, curves: &[(&str, &[(u64, f64)])]) -> Option<String> {
    const COLOURS: [&str; 6] = ["samples", "held-out", "noise", "gaussian", "soup", "stored"];
    let mut svg = Svg::new(title, 520.0, 310.0);
    let curves: Vec<(&str, Vec<[f64; 2]>)> = curves
        .iter()
        .map(|(name, points)| (*name, smooth(points)))
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let points = || curves.iter().flat_map(|(_, points)| points);
    let range = |k: usize| {
        let along = || points().map(|p| p[k]);
        Some((along().reduce(f64::min)?, along().reduce(f64::max)?))
    };
    let ((first, last), (low, high)) = (range(0)?, range(1)?);
    let x = Axis::linear(first.min(0.0), last, 52.0, 416.0);
    let y = if low > 0.0 {
        Axis::log(low / 1.15, high * 1.15, 262.0, 26.0)
    } else {
        Axis::linear(low, high, 262.0, 26.0)
    };
    svg.frame(&x, &y, "step", "loss");
    for ((name, points), colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let pixels = || points.iter().map(|[step, loss]| [x.at(*step), y.at(*loss)]);
        svg.polyline(&format!("curve {colour}"), pixels());
        if let Some(end) = pixels().next_back() {
            svg.label(
                &format!("mark {colour}"),
                end,
                name,
                [416.0, 10.0, 520.0, 300.0],
            );
        }
    }
    Some(svg.finish())
}

/// Means over equal numbers of consecutive points, finite ones only.
fn smooth(points: &[(u64, f64)]) -> Vec<[f64; 2]> {
    let finite: Vec<[f64; 2]> = points
        .iter()
        .filter(|(_, loss)| loss.is_finite())
        .map(|(step, loss)| [*step as f64, *loss])
        .collect();
    let size = finite.len().div_ceil(POINTS).max(1);
    let mean = |chunk: &[[f64; 2]]| {
        [0, 1].map(|k| chunk.iter().map(|p| p[k]).sum::<f64>() / chunk.len() as f64)
    };
    finite.chunks(size).map(mean).collect()
}
