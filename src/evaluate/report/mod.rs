//! One page that says how good a generator is: self-contained HTML with inline SVG, no scripts.

mod plots;
mod svg;

use std::path::Path;

use super::evaluation::{Evaluation, Kind, Row};
use super::number::number;
use super::table::{grid, legend};
use super::verdict::Tone;
use crate::error::Result;
use crate::files;
use crate::generator::{Curve, Report};
use svg::escape;

/// What a page is made of; any part may be empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page<'a> {
    /// Such as the generator's file name.
    pub title: &'a str,
    /// Label and value, such as ("parameters", "6,678").
    pub facts: &'a [(String, String)],
    /// Gates, notes and curves. Curves called "denoising, train" and "denoising, held-out" are
    /// drawn together.
    pub training: Option<&'a Report>,
    pub evaluation: Option<&'a Evaluation>,
}

impl Page<'_> {
    /// Writes the page to a file, which is replaced only on success.
    pub fn write(&self, path: &Path) -> Result<()> {
        files::write(path, html(self).as_bytes())
    }
}

/// The whole page. Nothing in it refers to another file or host, and every string is escaped.
pub fn html(content: &Page) -> String {
    let title = escape(content.title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title>\n\
         <style>{}</style></head>\n<body><main>\n<header><p class=\"kicker\">libpdiff report</p>\
         <h1>{title}</h1>",
        include_str!("style.css")
    );
    page += &facts(content.facts);
    page += "</header>\n";
    if let Some(evaluation) = content.evaluation {
        page += &tiles(evaluation);
        page += &section("What it says", "", &findings(evaluation));
    }
    if let Some(training) = content
        .training
        .filter(|t| !t.gates.is_empty() || !t.notes.is_empty())
    {
        page += &section(
            "Gates",
            "Checks made at the end of training.",
            &gates(training),
        );
    }
    if let Some(evaluation) = content.evaluation {
        page += &section(
            "Score against novelty",
            "A good generator lies where the held-out members lie: as good as the zoo, and as far \
             from it as new members are. Dots are networks, rings are means.",
            &figure(&plots::scatter(evaluation)),
        );
        page += &section("All figures", &legend(evaluation), &table(evaluation));
        page += "<div class=\"pair\">";
        page += &section(
            "How far from the zoo",
            "Copies pile up at 0; new members lie where the held-out row does.",
            &figure(&plots::distances(evaluation)),
        );
        page += &section(
            "Where they lie",
            "The zoo's first two principal components, in units of its typical distance.",
            &figure(&plots::map(evaluation)),
        );
        page += "</div>\n";
    }
    page += &losses(content.training.map_or(&[], |training| &training.curves));
    page + "</main></body></html>\n"
}

/// `text` is plain, `body` is HTML.
fn section(title: &str, text: &str, body: &str) -> String {
    let text = match text {
        "" => String::new(),
        text => format!("<p class=\"lead\">{}</p>", escape(text)),
    };
    format!(
        "<section><h2>{}</h2>{text}{body}</section>\n",
        escape(title)
    )
}

fn figure(svg: &str) -> String {
    format!("<figure>{svg}</figure>")
}

fn facts(facts: &[(String, String)]) -> String {
    if facts.is_empty() {
        return String::new();
    }
    let items: String = facts
        .iter()
        .map(|(label, value)| {
            format!(
                "<div><dt>{}</dt><dd>{}</dd></div>",
                escape(label),
                escape(value)
            )
        })
        .collect();
    format!("<dl class=\"facts\">{items}</dl>")
}

/// The four figures to look at first, each beside its target.
fn tiles(evaluation: &Evaluation) -> String {
    let Some(samples) = evaluation.row(Kind::Samples) else {
        return String::new();
    };
    let zoo = evaluation.row(Kind::Zoo);
    let target = evaluation.row(Kind::HeldOut);
    let tile =
        |label: &str, of: &dyn Fn(&Row) -> Option<String>, beside: &[(&str, Option<&Row>)]| {
            let Some(value) = of(samples) else {
                return String::new();
            };
            let beside: Vec<String> = beside
                .iter()
                .filter_map(|(name, row)| Some(format!("{name} {}", row.and_then(of)?)))
                .collect();
            format!(
                "<div class=\"tile\"><p>{label}</p><strong>{value}</strong><small>{}</small></div>",
                beside.join(" \u{b7} ")
            )
        };
    let both = [("zoo", zoo), ("held-out", target)];
    let tiles = [
        tile("mean score", &|row| Some(number(row.score.mean)), &both),
        tile("novelty", &|row| Some(format!("{:.2}", row.novelty)), &both),
        tile(
            "dispersion",
            &|row| row.dispersion.map(|d| format!("{d:.2}")),
            &both,
        ),
        tile(
            "error overlap",
            &|row| row.overlap.map(|o| format!("{o:.3}")),
            &both,
        ),
    ];
    format!("<div class=\"tiles\">{}</div>\n", tiles.concat())
}

fn findings(evaluation: &Evaluation) -> String {
    let items: String = evaluation
        .verdicts
        .iter()
        .map(|verdict| {
            let class = match verdict.tone {
                Tone::Good => "good",
                Tone::Neutral => "neutral",
                Tone::Bad => "bad",
            };
            format!("<li class=\"{class}\">{}</li>", escape(&verdict.text))
        })
        .collect();
    format!("<ul class=\"findings\">{items}</ul>")
}

fn gates(training: &Report) -> String {
    let gates = training.gates.iter().map(|gate| {
        let (class, word) = if gate.passed {
            ("good", "passed")
        } else {
            ("bad", "failed")
        };
        format!(
            "<li class=\"{class}\"><b>{}</b> {word}: {}</li>",
            escape(&gate.name),
            escape(&gate.verdict)
        )
    });
    let notes = training
        .notes
        .iter()
        .map(|note| format!("<li class=\"neutral\">{}</li>", escape(note)));
    format!(
        "<ul class=\"findings\">{}</ul>",
        gates.chain(notes).collect::<String>()
    )
}

fn table(evaluation: &Evaluation) -> String {
    let grid = grid(evaluation);
    let cells = |tag: &str, row: &[String]| -> String {
        row.iter()
            .map(|cell| format!("<{tag}>{}</{tag}>", escape(cell)))
            .collect()
    };
    let rows: String = grid[1..]
        .iter()
        .zip(&evaluation.rows)
        .map(|(cell, row)| {
            let note = row
                .note
                .as_deref()
                .map(|note| format!(" title=\"{}\"", escape(note)));
            format!(
                "<tr class=\"{}\"{}><th scope=\"row\"><i></i>{}</th>{}</tr>",
                plots::class(row),
                note.unwrap_or_default(),
                escape(&cell[0]),
                cells("td", &cell[1..])
            )
        })
        .collect();
    let notes: String = evaluation
        .rows
        .iter()
        .filter_map(|row| Some((row, row.note.as_deref()?)))
        .map(|(row, note)| {
            format!(
                "<p class=\"note\">{}: {}.</p>",
                escape(&row.name),
                escape(note)
            )
        })
        .collect();
    format!(
        "<div class=\"scroll\"><table><thead><tr>{}</tr></thead><tbody>{rows}</tbody></table></div>{notes}",
        cells("th", &grid[0])
    )
}

/// A curve's chart and its label there.
fn chart(curve: &Curve) -> (&str, &str) {
    curve
        .name
        .split_once(", ")
        .unwrap_or((&curve.name, &curve.name))
}

fn losses(curves: &[Curve]) -> String {
    let mut charts: Vec<&str> = Vec::new();
    for (name, _) in curves.iter().map(chart) {
        if !charts.contains(&name) {
            charts.push(name);
        }
    }
    let drawn: String = charts
        .iter()
        .filter_map(|name| {
            let own = curves.iter().filter(|curve| chart(curve).0 == *name);
            let lines: Vec<_> = own
                .map(|curve| (chart(curve).1, &curve.points[..]))
                .collect();
            let title = format!("Training: {name}");
            Some(section(
                &title,
                "",
                &figure(&plots::losses(&title, &lines)?),
            ))
        })
        .collect();
    if drawn.is_empty() {
        return drawn;
    }
    format!("<div class=\"pair\">{drawn}</div>\n")
}
