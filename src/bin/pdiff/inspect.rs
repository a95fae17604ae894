//! `pdiff inspect`: what is in a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use pdiff::evaluate::{Evaluation, text};
use pdiff::symmetry::{collected, infer};
use pdiff::{About, Collection, EngineName, Error, Result, Role, TensorSpec, read_checkpoint};
use serde_json::{Value, json};

use crate::args::Inspect;
use crate::output::{Answer, columns, count, grouped};
use crate::progress::duration;
use crate::train::{failed, gates};

/// Bytes from a file's beginning in which ours say what they are.
const HEAD: u64 = 1 << 12;

pub fn run(args: &Inspect) -> Result<Answer> {
    let path = args.path.as_path();
    if args.symmetry {
        return symmetry(path, args.heads);
    }
    if path.is_dir() {
        return collection(path);
    }
    if let Some(folder) = path
        .parent()
        .filter(|folder| folder.join("collection.json").is_file())
    {
        return collection(folder);
    }
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(HEAD).read_to_end(&mut head))
        .map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?;
    let says = |word: &str| {
        head.windows(word.len())
            .any(|window| window == word.as_bytes())
    };
    if head.starts_with(b"{") {
        evaluation(path)
    } else if says("pdiff-generator") {
        generator(path)
    } else {
        checkpoint(path)
    }
}

fn collection(path: &Path) -> Result<Answer> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let collection = Collection::open(path)?;
    let base: Vec<TensorSpec> = collection
        .base()?
        .into_iter()
        .map(|tensor| tensor.spec)
        .collect();
    let n = collection.len();
    let conditions: Vec<Value> = collection
        .conditions()
        .iter()
        .enumerate()
        .map(|(c, name)| {
            let values = (0..n).map(|i| f64::from(collection.condition(i)[c]));
            range(name, values.collect())
        })
        .collect();
    let mut metrics: Vec<(String, Vec<f64>)> = Vec::new();
    for (name, value) in (0..n).flat_map(|i| collection.metrics(i)) {
        match metrics.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value),
            None => metrics.push((name.to_owned(), vec![value])),
        }
    }
    let metrics: Vec<Value> = metrics
        .into_iter()
        .map(|(name, values)| range(&name, values))
        .collect();
    let layout = collection.layout();
    let title = format!(
        "{}: a collection of {}, {} each\n",
        path.display(),
        count(n, "snapshot"),
        count(layout.parameters(), "parameter")
    );
    Ok(Answer {
        text: title
            + &named_ranges("condition", &conditions)
            + &named_ranges("metric", &metrics)
            + &tensors("generated", layout.tensors())
            + &tensors("kept as they are", &base),
        json: json!({
            "kind": "collection",
            "snapshots": n,
            "parameters": layout.parameters(),
            "select": collection.selection(),
            "conditions": conditions,
            "metrics": metrics,
            "tensors": layout.tensors(),
            "base": base,
        }),
    })
}

fn generator(path: &Path) -> Result<Answer> {
    let about = About::open(path)?;
    let verdict = match failed(&about.report) {
        Some(gates) => format!("NOT GOOD, it failed {gates}"),
        None => "good".into(),
    };
    let rows: Vec<Vec<String>> = facts(&about)
        .into_iter()
        .map(|(label, value)| vec![label, value])
        .collect();
    Ok(Answer {
        text: format!("{}: a generator, {verdict}\n", path.display())
            + &columns(&rows)
            + &section("gates", &gates(&about.report))
            + &tensors("generated", about.layout.tensors())
            + &tensors("kept as they are", &about.base),
        json: json!({"kind": "generator", "good": about.report.is_good(), "about": about}),
    })
}

fn evaluation(path: &Path) -> Result<Answer> {
    let evaluation = Evaluation::open(path)?;
    Ok(Answer {
        text: format!("{}: an evaluation\n\n{}", path.display(), text(&evaluation)),
        json: json!({"kind": "evaluation", "evaluation": evaluation}),
    })
}

fn checkpoint(path: &Path) -> Result<Answer> {
    let specs: Vec<TensorSpec> = read_checkpoint(path)?
        .into_iter()
        .map(|tensor| tensor.spec)
        .collect();
    let elements = specs.iter().map(TensorSpec::count).sum();
    Ok(Answer {
        text: format!(
            "{}: a checkpoint of {}, {}\n",
            path.display(),
            count(specs.len(), "tensor"),
            count(elements, "element")
        ) + &tensors("tensors", &specs),
        json: json!({"kind": "checkpoint", "elements": elements, "tensors": specs}),
    })
}

/// The spec of a collection or a checkpoint, alone, so that it can be kept as a file and edited.
fn symmetry(path: &Path, heads: Option<usize>) -> Result<Answer> {
    let spec = match path.is_dir() {
        true => collected(&Collection::open(path)?, heads)?,
        false => {
            let (generated, base): (Vec<TensorSpec>, Vec<TensorSpec>) = read_checkpoint(path)?
                .into_iter()
                .map(|tensor| tensor.spec)
                .partition(|spec| spec.role != Role::Counter);
            infer(&generated, &base, heads)?
        }
    };
    let json = json!(spec);
    Ok(Answer {
        text: format!("{json:#}\n"),
        json,
    })
}

/// What a generator is and where it comes from, as labels and values.
pub fn facts(about: &About) -> Vec<(String, String)> {
    let provenance = &about.provenance;
    let report = &about.report;
    let engine = match about.engine {
        EngineName::Default => "default",
        EngineName::Paper => "paper",
    };
    let conditions: Vec<&str> = about
        .conditions
        .iter()
        .map(|spec| spec.name.as_str())
        .collect();
    let figure = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.4}"));
    let facts = [
        ("engine", engine.to_owned()),
        ("parameters", grouped(about.layout.parameters())),
        (
            "condition",
            if conditions.is_empty() {
                "none".into()
            } else {
                conditions.join(", ")
            },
        ),
        ("snapshots", grouped(provenance.snapshots)),
        ("held out", grouped(provenance.held_out.len())),
        ("collection", provenance.collection.clone()),
        ("seed", provenance.seed.to_string()),
        ("training time", duration(report.seconds)),
        ("trained on", date(provenance.created)),
        ("libpdiff", provenance.library.clone()),
        (
            "held-out reconstruction loss",
            figure(report.held_out_reconstruction),
        ),
        ("held-out denoising loss", figure(report.held_out_denoising)),
        (
            "the Gaussian's denoising loss",
            figure(report.gaussian_denoising),
        ),
    ];
    facts.map(|(label, value)| (label.to_owned(), value)).into()
}

/// A day from seconds since 1970 (UTC), by the civil calendar in eras of 400 years that begin in March.
fn date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year_of_era + carry)
}

fn range(name: &str, values: Vec<f64>) -> Value {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    json!({"name": name, "least": least, "most": most})
}

fn named_ranges(kind: &str, ranges: &[Value]) -> String {
    let row = |range: &Value| {
        let name = range["name"].as_str().unwrap_or_default();
        format!("  {kind} {name}: {} to {}\n", range["least"], range["most"])
    };
    ranges.iter().map(row).collect()
}

fn tensors(title: &str, specs: &[TensorSpec]) -> String {
    let row = |spec: &TensorSpec| {
        vec![
            spec.name.clone(),
            format!("{:?}", spec.shape),
            format!("{:?}", spec.dtype).to_lowercase(),
            word(&json!(spec.role)),
        ]
    };
    let rows: Vec<Vec<String>> = specs.iter().map(row).collect();
    section(title, &columns(&rows))
}

/// A unit variant's name as it is stored, in words.
fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace('_', " ")
}

fn section(title: &str, lines: &str) -> String {
    if lines.is_empty() {
        return String::new();
    }
    format!("\n{title}\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_follow_the_civil_calendar() {
        let cases = [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_704_067_199, "2023-12-31"),
            (4_107_542_400, "2100-03-01"),
        ];
        for (seconds, day) in cases {
            assert_eq!(date(seconds), day);
        }
    }
}
