//! What an evaluation says, in plain sentences.

use serde::{Deserialize, Serialize};

use super::baselines::Budget;
use super::evaluation::{Kind, Row};
use super::number::{difference, number};
use super::summary::Summary;

/// Below this share of the zoo's spread a set has collapsed, above the other it has come apart.
pub const DISPERSION: [f64; 2] = [0.95, 1.05];
/// Samples whose nearest distance is below this share of what unseen members show are copies.
const COPY: f64 = 0.5;
/// What error overlap may exceed its target by.
const OVERLAP: f64 = 0.01;
/// Differences of means below this many standard errors are called a tie.
const STANDARD_ERRORS: f64 = 2.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    Good,
    Neutral,
    Bad,
}

impl Tone {
    /// What stands before the finding in plain text.
    pub fn mark(self) -> &'static str {
        match self {
            Tone::Good => "+ ",
            Tone::Neutral => "= ",
            Tone::Bad => "! ",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub tone: Tone,
    pub text: String,
}

/// The findings about the samples, most important first. Rows are those of an evaluation at `taus`.
pub fn verdicts(rows: &[Row], taus: &[f64]) -> Vec<Verdict> {
    let find = |kind| rows.iter().find(|row| row.kind == kind);
    let (Some(zoo), Some(samples)) = (find(Kind::Zoo), find(Kind::Samples)) else {
        return Vec::new();
    };
    let held_out = find(Kind::HeldOut);
    let baselines = || rows.iter().filter(|row| row.kind == Kind::Baseline);
    [
        score(samples, zoo),
        best_baseline(samples, baselines()),
        copies(samples, held_out),
        dispersion(samples),
        overlap(samples, zoo),
        overlap_zoo(samples, held_out),
        novel_and_performing(samples, held_out, baselines(), taus),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn verdict(tone: Tone, text: String) -> Option<Verdict> {
    Some(Verdict { tone, text })
}

/// Whether `a`'s mean is above `b`'s by more than chance.
fn beats(a: &Summary, b: &Summary) -> bool {
    a.mean - b.mean > STANDARD_ERRORS * error(a, b).hypot(error(b, a))
}

/// The standard error of a set's mean. A single network shows none: it may be as lucky as any one of
/// the other set.
fn error(of: &Summary, other: &Summary) -> f64 {
    of.standard_error
        .or(other.deviation)
        .unwrap_or(f64::INFINITY)
}

fn score(samples: &Row, zoo: &Row) -> Option<Verdict> {
    let (mean, zoo_mean) = (samples.score.mean, zoo.score.mean);
    let means = format!(
        "mean score {} against the zoo's {}",
        number(mean),
        number(zoo_mean)
    );
    if beats(&samples.score, &zoo.score) {
        verdict(Tone::Good, format!("Samples score above the zoo: {means}."))
    } else if beats(&zoo.score, &samples.score) {
        verdict(Tone::Bad, format!("Samples score below the zoo: {means}."))
    } else {
        verdict(Tone::Good, format!("Samples score like the zoo: {means}."))
    }
}

/// Against the baselines of the samples' budget: no data, unless the samples had a score too. To take
/// a baseline instead is a choice, so it is made on the selection scores, where there are any.
fn best_baseline<'a>(samples: &Row, rows: impl Iterator<Item = &'a Row>) -> Option<Verdict> {
    let rivals: Vec<&Row> = rows
        .filter(|row| row.budget == Budget::Weights || row.budget == samples.budget)
        .collect();
    let selected = std::iter::once(&samples)
        .chain(&rivals)
        .all(|row| row.selection.is_some());
    let which = match selected {
        true => "mean selection score",
        false => "mean score",
    };
    let on = |row: &Row| row.selection.filter(|_| selected).unwrap_or(row.score);
    let ours = on(samples);
    let wins = |row: &Row| beats(&on(row), &ours);
    // One that wins for sure goes before a single lucky network.
    let best_of = |rows: &mut dyn Iterator<Item = &&'a Row>| {
        rows.max_by(|a, b| {
            let means = on(a).mean.total_cmp(&on(b).mean);
            wins(a).cmp(&wins(b)).then(means)
        })
        .copied()
    };
    let best = best_of(&mut rivals.iter())?;
    let by = |row: &Row| difference((on(row).mean - ours.mean).abs());
    let (name, gap) = (&best.name, by(best));
    if wins(best) {
        let soup = best_of(&mut rivals.iter().filter(|row| is_soup(row) && wins(row)));
        let advice = match soup {
            Some(soup) if soup.name == *name => ": for a single good network use the soup".into(),
            Some(soup) => format!(
                ", and {} by {}: for a single good network use the soup",
                soup.name,
                by(soup)
            ),
            None => ": for the score alone use that".to_owned(),
        };
        verdict(
            Tone::Bad,
            format!("The best baseline, {name}, beats the samples' {which} by {gap}{advice}."),
        )
    } else if beats(&ours, &on(best)) {
        verdict(
            Tone::Good,
            format!("Samples beat the best baseline, {name}, by {gap} in {which}."),
        )
    } else {
        verdict(
            Tone::Neutral,
            format!("Samples match the best baseline, {name}, in {which}."),
        )
    }
}

fn is_soup(row: &Row) -> bool {
    row.name.contains("soup")
}

fn copies(samples: &Row, held_out: Option<&Row>) -> Option<Verdict> {
    let expected = held_out.map_or(1.0, |row| row.novelty);
    let against = match held_out {
        Some(row) => format!(
            "{:.2} times the zoo's typical distance (held-out members: {:.2})",
            samples.novelty, row.novelty
        ),
        None => format!("{:.2} times the zoo's typical distance", samples.novelty),
    };
    if samples.novelty < COPY * expected {
        verdict(
            Tone::Bad,
            format!("Samples are copies: their nearest zoo member is at {against}."),
        )
    } else {
        verdict(
            Tone::Good,
            format!("Samples are no copies: their nearest zoo member is at {against}."),
        )
    }
}

fn dispersion(samples: &Row) -> Option<Verdict> {
    let dispersion = samples.dispersion?;
    let [low, high] = DISPERSION;
    if dispersion < low {
        verdict(
            Tone::Bad,
            format!(
                "Samples have collapsed: their spread is {dispersion:.2} of the zoo's (below {low}), so their scores flatter them."
            ),
        )
    } else if dispersion > high {
        verdict(
            Tone::Bad,
            format!(
                "Samples are scattered: their spread is {dispersion:.2} of the zoo's (above {high})."
            ),
        )
    } else {
        verdict(
            Tone::Good,
            format!("Samples spread like the zoo: {dispersion:.2} of its deviation."),
        )
    }
}

fn overlap(samples: &Row, zoo: &Row) -> Option<Verdict> {
    let (own, zoo) = (samples.overlap?, zoo.overlap?);
    let figures = format!("error overlap {own:.3} among samples, {zoo:.3} in the zoo");
    if own > zoo + OVERLAP {
        verdict(Tone::Bad, format!("Diversity was lost: {figures}."))
    } else {
        verdict(Tone::Good, format!("Diversity was kept: {figures}."))
    }
}

fn overlap_zoo(samples: &Row, held_out: Option<&Row>) -> Option<Verdict> {
    let (own, unseen) = (samples.overlap_zoo?, held_out?.overlap_zoo?);
    let figures =
        format!("maximum error overlap with the zoo {own:.3}, held-out members {unseen:.3}");
    if own > unseen + OVERLAP {
        verdict(
            Tone::Bad,
            format!("Samples err like the members they came from: {figures}."),
        )
    } else {
        verdict(
            Tone::Good,
            format!("Samples err like no member in particular: {figures}."),
        )
    }
}

/// N&P is read at the largest tau that real members still reach; elsewhere it says nothing.
fn novel_and_performing<'a>(
    samples: &Row,
    held_out: Option<&Row>,
    baselines: impl Iterator<Item = &'a Row>,
    taus: &[f64],
) -> Option<Verdict> {
    let held_out = held_out?;
    let at = held_out
        .novel_and_performing
        .iter()
        .rposition(|share| *share >= 0.1)?;
    let (own, unseen) = (
        samples.novel_and_performing[at],
        held_out.novel_and_performing[at],
    );
    let best =
        baselines.max_by(|a, b| a.novel_and_performing[at].total_cmp(&b.novel_and_performing[at]));
    let mut text = format!(
        "Novel and performing at tau {}: {own:.2} of the samples, {unseen:.2} of held-out members",
        taus[at]
    );
    let mut tone = if own >= 0.5 * unseen {
        Tone::Good
    } else {
        Tone::Bad
    };
    if let Some(best) = best {
        let share = best.novel_and_performing[at];
        text += &format!(", {share:.2} of the best baseline ({})", best.name);
        if tone == Tone::Good && share >= own {
            tone = Tone::Neutral;
        }
    }
    verdict(tone, text + ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_network_wins_only_where_no_lucky_one_would() {
        let samples = Summary::of(&[0.0, 2.0, 1.0, 0.0, 2.0, 1.0]).unwrap();
        let single = |score| Summary::of(&[score]).unwrap();
        // The samples' deviation is .89 and their mean's error .37: 2 (.89² + .37²)^.5 is 1.93.
        assert!(!beats(&single(2.9), &samples) && beats(&single(3.0), &samples));
        assert!(!beats(&samples, &single(-0.9)) && beats(&samples, &single(-1.0)));
        assert!(!beats(&single(9.0), &single(0.0)));
    }
}
