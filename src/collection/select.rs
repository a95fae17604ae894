//! Which tensors of a network are generated: glob patterns on their names.

use globset::{Glob, GlobMatcher};

use crate::error::{Error, Result};
use crate::layout::{Role, TensorSpec};

/// Patterns on tensor names. A tensor is selected when some pattern matches it, or there are none
/// but excluding ones, and no excluding one does. Only floating-point tensors that are no counters
/// can be.
pub struct Selection {
    include: Vec<GlobMatcher>,
    exclude: Vec<GlobMatcher>,
}

impl Selection {
    /// Reads glob patterns: `*` matches any characters, dots too; `?` one; `[ab]` and `{a,b}` choose;
    /// a leading `!` excludes. No patterns select every tensor that can be generated.
    ///
    /// # Errors
    /// `InvalidArgument` for a pattern that is no glob.
    pub fn new(patterns: &[String]) -> Result<Selection> {
        let (mut include, mut exclude) = (Vec::new(), Vec::new());
        for pattern in patterns {
            let (list, glob) = match pattern.strip_prefix('!') {
                Some(rest) => (&mut exclude, rest),
                None => (&mut include, pattern.as_str()),
            };
            let glob = Glob::new(glob).map_err(|error| {
                Error::invalid(format!("the pattern {pattern:?}: {}", error.kind()))
            })?;
            list.push(glob.compile_matcher());
        }
        Ok(Selection { include, exclude })
    }

    pub fn selects(&self, tensor: &TensorSpec) -> bool {
        let matches = |patterns: &[GlobMatcher]| patterns.iter().any(|p| p.is_match(&tensor.name));
        can_be_generated(tensor)
            && (self.include.is_empty() || matches(&self.include))
            && !matches(&self.exclude)
    }

    /// Fails with `EmptySelection` when some pattern matches no tensor that can be generated, as a
    /// misspelt one does, or when nothing is left after the exclusions.
    pub fn check<'a>(&self, tensors: impl Iterator<Item = &'a TensorSpec> + Clone) -> Result<()> {
        let able = || tensors.clone().filter(|tensor| can_be_generated(tensor));
        let refusal = |why: String| {
            let mut names: Vec<&str> = able().take(6).map(|t| t.name.as_str()).collect();
            if let Some(sixth) = names.get_mut(5) {
                *sixth = "...";
            }
            let there_are = match names.as_slice() {
                [] => "there are none of floating point".to_owned(),
                names => format!("there are {}", names.join(", ")),
            };
            Err(Error::EmptySelection(format!("{why}; {there_are}")))
        };
        for (mark, patterns) in [("", &self.include), ("!", &self.exclude)] {
            for pattern in patterns {
                if !able().any(|tensor| pattern.is_match(&tensor.name)) {
                    let glob = pattern.glob();
                    return refusal(format!("the pattern \"{mark}{glob}\" selects nothing"));
                }
            }
        }
        if !tensors.clone().any(|tensor| self.selects(tensor)) {
            return refusal("the patterns leave nothing to generate".to_owned());
        }
        Ok(())
    }
}

fn can_be_generated(tensor: &TensorSpec) -> bool {
    tensor.dtype.is_float() && tensor.role != Role::Counter
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Dtype;

    fn network() -> Vec<TensorSpec> {
        let mut tensors: Vec<_> = [
            "conv1.weight",
            "conv1.bias",
            "bn.running_var",
            "fc.0.weight",
        ]
        .map(|name| TensorSpec::new(name, &[2], Dtype::F32))
        .into();
        tensors.push(TensorSpec::new("bn.num_batches_tracked", &[], Dtype::I64));
        tensors
    }

    fn selected(patterns: &[&str]) -> Vec<String> {
        let selection = selection(patterns);
        selection.check(network().iter()).unwrap();
        let network = network().into_iter();
        network
            .filter(|t| selection.selects(t))
            .map(|t| t.name)
            .collect()
    }

    fn selection(patterns: &[&str]) -> Selection {
        let patterns: Vec<_> = patterns.iter().map(|p| p.to_string()).collect();
        Selection::new(&patterns).unwrap()
    }

    fn refusal(patterns: &[&str]) -> String {
        let error = selection(patterns).check(network().iter()).unwrap_err();
        assert_eq!(error.status(), 7);
        error.to_string()
    }

    #[test]
    fn no_patterns_select_what_can_be_generated() {
        assert_eq!(
            selected(&[]),
            [
                "conv1.weight",
                "conv1.bias",
                "bn.running_var",
                "fc.0.weight"
            ]
        );
    }

    #[test]
    fn a_star_crosses_dots_and_a_mark_excludes() {
        assert_eq!(selected(&["*weight"]), ["conv1.weight", "fc.0.weight"]);
        assert_eq!(
            selected(&["!*bias", "!bn.*"]),
            ["conv1.weight", "fc.0.weight"]
        );
        assert_eq!(selected(&["conv?.*", "!*.bias"]), ["conv1.weight"]);
        assert_eq!(
            selected(&["{conv1,bn}.*", "bn.*"]),
            ["conv1.weight", "conv1.bias", "bn.running_var"]
        );
    }

    #[test]
    fn a_pattern_that_selects_nothing_is_named_beside_the_names_there_are() {
        let message = refusal(&["*weight", "conv2.*"]);
        assert!(message.contains("\"conv2.*\""), "{message}");
        assert!(
            message.contains("conv1.weight, conv1.bias, bn.running_var, fc.0.weight"),
            "{message}"
        );
        assert!(refusal(&["!conv2.*"]).contains("\"!conv2.*\""));
        assert!(refusal(&["*num_batches_tracked"]).contains("selects nothing"));
        assert!(refusal(&["conv1.*", "!conv*"]).contains("leave nothing"));
    }

    #[test]
    fn only_the_first_five_names_are_listed() {
        let many: Vec<_> = (0..9)
            .map(|i| TensorSpec::new(format!("layer{i}"), &[1], Dtype::F32))
            .collect();
        let message = selection(&["x"])
            .check(many.iter())
            .unwrap_err()
            .to_string();
        assert!(message.ends_with("layer3, layer4, ..."), "{message}");
    }

    #[test]
    fn a_pattern_that_is_no_glob_is_an_error() {
        assert!(matches!(
            Selection::new(&["[".into()]),
            Err(Error::InvalidArgument(_))
        ));
    }
}
