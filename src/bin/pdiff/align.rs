//! `pdiff align`.

use pdiff::symmetry::{AlignOptions, Spec, align_collection};
use pdiff::{Cancel, Collection, Result};
use serde_json::json;

use crate::args::Align;
use crate::inspect::collected_symmetry;
use crate::output::{Answer, count};
use crate::progress::Meter;

pub fn run(args: &Align) -> Result<Answer> {
    let collection = Collection::open(&args.collection)?;
    let spec = match &args.spec {
        Some(path) => Spec::read(path)?,
        None => collected_symmetry(&collection, args.heads)?,
    };
    let options = AlignOptions {
        seed: args.seed,
        rounds: args.rounds,
        balance: args.balance,
        threads: args.threads,
    };
    let mut meter = Meter::new();
    let aligned = align_collection(
        &collection,
        &args.output,
        &spec,
        &options,
        &Cancel::new(),
        &mut |done, total| {
            meter.show("align", done as u64, total as u64, String::new);
            Ok(())
        },
    )?;
    drop(meter);
    let groups = aligned.spec.permutations.len();
    Ok(Answer {
        text: format!(
            "{}: {} aligned over {}; two of them are {:.4} apart, from {:.4} before\n",
            args.output.display(),
            count(aligned.snapshots, "snapshot"),
            count(groups, "group"),
            aligned.after,
            aligned.before
        ),
        json: json!({
            "collection": args.output,
            "snapshots": aligned.snapshots,
            "groups": groups,
            "before": aligned.before,
            "after": aligned.after,
        }),
    })
}
