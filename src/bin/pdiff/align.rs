//! `pdiff align`.

use std::path::Path;

use pdiff::symmetry::{AlignOptions, Matching, Spec, align_collection, collected};
use pdiff::{Cancel, Collection, Error, Result, read_checkpoint};
use serde_json::json;

use crate::args::Align;
use crate::output::Answer;
use crate::progress::Meter;

pub fn run(args: &Align) -> Result<Answer> {
    let collection = Collection::open(&args.collection)?;
    let to = args.to.as_deref().map(Collection::open).transpose()?;
    let spec = match &args.spec {
        Some(path) => Spec::read(path)?,
        None => collected(to.as_ref().unwrap_or(&collection), args.heads)?,
    };
    let inputs = args.activations.as_deref().map(inputs).transpose()?;
    let matching = match (&inputs, &to) {
        (Some((values, inputs)), _) => Matching::Examples {
            values,
            inputs: *inputs,
        },
        (None, Some(aligned)) => Matching::WeightsOf(aligned),
        (None, None) => Matching::Weights,
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
        matching,
        &options,
        &Cancel::new(),
        &mut |done, total| {
            meter.show("align", done as u64, total as u64, String::new);
            Ok(())
        },
    )?;
    drop(meter);
    let checked = aligned.spec.chain.is_some();
    let unchecked = match checked {
        true => "",
        false => {
            "No network was run to check the spec, which has no chain: see that aligned snapshots score as before\n"
        }
    };
    Ok(Answer {
        text: format!("{}: {aligned}\n{unchecked}", args.output.display()),
        json: json!({
            "collection": args.output,
            "snapshots": aligned.snapshots,
            "groups": aligned.spec.permutations.len(),
            "checked": checked,
            "before": aligned.before,
            "after": aligned.after,
        }),
    })
}

/// The numbers of a file's only tensor, and how many an input has.
fn inputs(path: &Path) -> Result<(Vec<f32>, usize)> {
    let tensors = read_checkpoint(path)?;
    let [tensor] = &tensors[..] else {
        return Err(Error::InvalidArgument(format!(
            "{}: {} tensors; keep the inputs as one",
            path.display(),
            tensors.len()
        )));
    };
    if !tensor.spec.dtype.is_float() {
        return Err(Error::InvalidArgument(format!(
            "{}: inputs of dtype {:?}; keep them as the networks take them, in floating point",
            path.display(),
            tensor.spec.dtype
        )));
    }
    let mut numbers = vec![0.0; tensor.spec.count()];
    tensor.to_f32(&mut numbers);
    Ok((numbers, tensor.spec.shape.iter().skip(1).product()))
}
