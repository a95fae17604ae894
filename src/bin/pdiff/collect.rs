//! `pdiff collect`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pdiff::{CheckpointFiles, CollectOptions, Collection, Error, Result, collect};
use serde::Deserialize;
use serde_json::json;

use crate::args::Collect;
use crate::output::{Answer, count};
use crate::progress::Meter;

/// What a table file says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    conditions: Vec<String>,
    /// By the file's path.
    snapshots: BTreeMap<String, About>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    #[serde(default)]
    condition: Vec<f32>,
    #[serde(default)]
    metrics: BTreeMap<String, f64>,
}

pub fn run(args: &Collect) -> Result<Answer> {
    let mut source = CheckpointFiles {
        files: args.files.clone(),
        ..CheckpointFiles::default()
    };
    let mut options = CollectOptions {
        select: args.select.clone(),
        ..CollectOptions::default()
    };
    if let Some(path) = &args.table {
        let table = read(path)?;
        for file in &args.files {
            let about = table.snapshots.get(&*file.to_string_lossy()).ok_or_else(|| {
                Error::InvalidArgument(format!(
                    "{}: says nothing of {}; add it under \"snapshots\", named as on the command line",
                    path.display(),
                    file.display()
                ))
            })?;
            source.conditions.push(about.condition.clone());
            let metrics = about.metrics.iter();
            source.metrics.push(
                metrics
                    .map(|(name, value)| (name.clone(), *value))
                    .collect(),
            );
        }
        options.conditions = table.conditions;
    } else {
        let values: Vec<f32> = args.condition.iter().map(|pair| pair.value).collect();
        source.conditions = vec![values; args.files.len()];
        options.conditions = args
            .condition
            .iter()
            .map(|pair| pair.name.clone())
            .collect();
    }

    let mut meter = Meter::new();
    let total = args.files.len() as u64;
    let collected = collect(&args.collection, &source, &options, &mut |done| {
        meter.show("collect", done as u64, total, String::new);
        Ok(())
    })?;
    let total = Collection::open(&args.collection)?.len();
    Ok(Answer {
        text: format!(
            "{}: {} added, {} in all, {} each\n",
            args.collection.display(),
            count(collected.added, "snapshot"),
            total,
            count(collected.parameters, "parameter")
        ),
        json: json!({
            "collection": args.collection,
            "added": collected.added,
            "total": total,
            "parameters": collected.parameters,
        }),
    })
}

fn read(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_str(&text).map_err(|error| {
        Error::InvalidArgument(format!(
            "{}: {error}; a table is as pdiff collect --help shows",
            path.display()
        ))
    })
}
