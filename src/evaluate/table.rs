//! An evaluation as a table, for terminals and for Markdown.

use super::evaluation::{Evaluation, Kind, Row};
use super::number::number;

/// Columns of the terminal's table.
const COLUMNS: usize = 100;
/// The column that it leaves out.
const MEDIAN: usize = 3;

/// Column titles; the name comes first.
fn titles(evaluation: &Evaluation) -> Vec<String> {
    let mut titles: Vec<String> = ["set", "n", "mean", "median", "dev", "min"]
        .map(String::from)
        .into();
    titles.push(format!("best{}", evaluation.best_of));
    titles.extend(["overlap", "w/zoo", "novel", "disp"].map(String::from));
    titles.extend(evaluation.taus.iter().map(|tau| format!("NP{tau}")));
    titles
}

fn cells(row: &Row) -> Vec<String> {
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    let share = |value: Option<f64>| or_dash(value.map(|v| format!("{v:.3}")));
    let mut cells = vec![
        row.name.clone(),
        row.score.n.to_string(),
        number(row.score.mean),
        number(row.score.median),
        or_dash(row.score.deviation.map(number)),
        number(row.score.min),
        or_dash(row.best_of.map(number)),
        share(row.overlap),
        share(row.overlap_zoo),
        format!("{:.2}", row.novelty),
        or_dash(row.dispersion.map(|d| format!("{d:.2}"))),
    ];
    cells.extend(
        row.novel_and_performing
            .iter()
            .map(|share| format!("{share:.2}")),
    );
    cells
}

/// Titles and all rows as text.
pub fn grid(evaluation: &Evaluation) -> Vec<Vec<String>> {
    let mut grid = vec![titles(evaluation)];
    grid.extend(evaluation.rows.iter().map(cells));
    grid
}

/// What the columns mean, in one paragraph.
pub fn legend(evaluation: &Evaluation) -> String {
    format!(
        "overlap: mean error overlap inside the set; w/zoo: each network's largest with a zoo \
         member. novel: nearest distance to the zoo, 1 is the zoo's own. disp: spread over the \
         zoo's. best N: expected best of N. NP tau: share scoring above {} and further than tau from \
         the zoo. The held-out row is the target: what new members of the zoo show.",
        number(evaluation.bar)
    )
}

/// What ten networks of each set are worth together, where the scorer gave probabilities.
fn ensembles(evaluation: &Evaluation) -> Vec<Vec<String>> {
    let titles = [
        "ten together",
        "ensembles",
        "accuracy",
        "nll",
        "calibration error",
    ];
    let rows = evaluation.rows.iter().filter_map(|row| {
        let ensemble = row.ensemble?;
        Some(vec![
            row.name.clone(),
            ensemble.count.to_string(),
            number(ensemble.accuracy),
            number(ensemble.negative_log_likelihood),
            number(ensemble.calibration_error),
        ])
    });
    let mut grid = vec![titles.map(String::from).to_vec()];
    grid.extend(rows);
    grid
}

/// Plain text in at most 100 columns: the table, its legend, ensembles and the verdicts. Long names are cut, and the
/// median is left to Markdown, the page and the JSON.
pub fn text(evaluation: &Evaluation) -> String {
    let mut grid = grid(evaluation);
    for row in &mut grid {
        row.remove(MEDIAN);
    }
    let kinds = evaluation.rows.iter().map(|row| row.kind);
    let targets = kinds.take_while(|kind| *kind != Kind::Baseline).count();
    let mut lines = ruled(&grid, &[1, 1 + targets]);
    lines.push(String::new());
    lines.extend(wrap(&legend(evaluation), ""));
    lines.push(String::new());
    let ensembles = ensembles(evaluation);
    if ensembles.len() > 1 {
        lines.extend(ruled(&ensembles, &[1]));
        lines.push(String::new());
    }
    for verdict in &evaluation.verdicts {
        lines.extend(wrap(&verdict.text, verdict.tone.mark()));
    }
    lines.join("\n") + "\n"
}

/// Rows with their cells below one another and a rule before those of `rules`; the first column is cut to fit.
fn ruled(grid: &[Vec<String>], rules: &[usize]) -> Vec<String> {
    let columns = grid[0].len();
    let mut widths: Vec<usize> = (0..columns)
        .map(|c| {
            grid.iter()
                .map(|row| row[c].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let others: usize = widths[1..].iter().map(|width| width + 1).sum();
    widths[0] = widths[0].min(COLUMNS.saturating_sub(others)).max(8);
    let rule = "-".repeat(widths.iter().sum::<usize>() + columns - 1);
    let mut lines = Vec::new();
    for (i, row) in grid.iter().enumerate() {
        if rules.contains(&i) {
            lines.push(rule.clone());
        }
        let name: String = row[0].chars().take(widths[0]).collect();
        let mut line = format!("{name:<0$}", widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            line += &format!(" {cell:>width$}");
        }
        lines.push(line);
    }
    lines
}

/// The table alone, as Markdown.
pub fn markdown(evaluation: &Evaluation) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut grid = grid(evaluation);
    for row in &mut grid {
        row[0] = row[0].replace('|', "\\|");
    }
    let rule = format!("| --- |{}\n", " ---: |".repeat(grid[0].len() - 1));
    line(&grid[0]) + &rule + &grid[1..].iter().map(|row| line(row)).collect::<String>()
}

/// Words in lines of at most `COLUMNS` characters, the first after `mark` and the others indented
/// alike.
fn wrap(text: &str, mark: &str) -> Vec<String> {
    let mut lines = vec![mark.to_owned()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let fresh = lines[last].chars().count() <= mark.chars().count();
        if !fresh && lines[last].chars().count() + 1 + word.chars().count() > COLUMNS {
            lines.push(" ".repeat(mark.chars().count()) + word);
        } else {
            if !fresh {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}
