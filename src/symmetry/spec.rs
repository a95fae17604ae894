//! The symmetry spec: what a JSON file says about an architecture.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::chain::Chain;
use crate::error::{Error, Result};

/// The symmetries of an architecture. docs/formats.md describes the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Units that may change places without changing the function. Empty where there is a chain: all
    /// that the chain has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permutations: Vec<Group>,
    /// Units whose incoming weights may be multiplied, and outgoing ones divided, by a positive number.
    /// A chain without permutations here gets both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scalings: Vec<Scaling>,
    /// How the network computes, where it is a chain that the library can run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
}

/// Units that are permuted together, at every place they appear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub name: String,
    /// How many units there are.
    pub size: usize,
    pub places: Vec<Place>,
}

/// Units with a scale: a factor per unit multiplies some places and divides others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    pub name: String,
    pub size: usize,
    pub multiply: Vec<Place>,
    pub divide: Vec<Place>,
}

/// One axis of one tensor, of length `repeat * size * block`: unit u has the indices
/// `(r * size + u) * block + b` for every r below `repeat` and b below `block`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub tensor: String,
    pub axis: usize,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub repeat: usize,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub block: usize,
}

fn one() -> usize {
    1
}

fn is_one(n: &usize) -> bool {
    *n == 1
}

impl Spec {
    /// Reads a spec's JSON file.
    pub fn read(path: &Path) -> Result<Spec> {
        let text = fs::read_to_string(path).map_err(Error::io(path))?;
        Spec::parse(&text, &path.display().to_string())
    }

    /// Reads a spec's JSON text, which messages call `name`.
    pub fn parse(text: &str, name: &str) -> Result<Spec> {
        let wrong = |error: &dyn Display| {
            Error::invalid(format!(
                "{name}: {error}; a symmetry spec is as docs/formats.md describes it"
            ))
        };
        // serde takes a list for an object's fields in their order.
        if text.trim_start().starts_with('[') {
            return Err(wrong(&"a list, not an object"));
        }
        serde_json::from_str(text).map_err(|error| wrong(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_read_back_and_an_unknown_field_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spec.json");
        let text = r#"{"permutations": [{"name": "fc1", "size": 4, "places": [
            {"tensor": "fc1.weight", "axis": 0}, {"tensor": "fc2.weight", "axis": 1, "block": 9}]}]}"#;
        fs::write(&path, text).unwrap();
        let spec = Spec::read(&path).unwrap();
        let place = &spec.permutations[0].places[1];
        assert_eq!((place.repeat, place.block), (1, 9));
        let written = serde_json::to_string(&spec).unwrap();
        assert!(!written.contains("repeat"), "{written}");
        assert_eq!(serde_json::from_str::<Spec>(&written).unwrap(), spec);
        for wrong in [
            text.replace("axis", "axes"),
            "7".into(),
            "{".into(),
            "[]".into(),
        ] {
            fs::write(&path, wrong).unwrap();
            let error = Spec::read(&path).unwrap_err();
            assert_eq!(error.status(), 1);
            assert!(error.to_string().contains("docs/formats.md"), "{error}");
        }
    }
}
