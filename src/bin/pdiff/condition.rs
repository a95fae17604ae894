//! Conditions as people type them: `name=value`, or numbers in the order of the names.

use std::str::FromStr;

use pdiff::{Error, Result};

/// One `name=value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub name: String,
    pub value: f32,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Named, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Named {
                name: name.to_owned(),
                value: number(value)?,
            }),
            _ => Err("write NAME=VALUE, such as speed=1.5".into()),
        }
    }
}

/// One `name=value`, or a whole condition as `1.5,0`.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    Named(Named),
    Listed(Vec<f32>),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Wanted, String> {
        match text.contains('=') {
            true => text.parse().map(Wanted::Named),
            false => text
                .split(',')
                .map(number)
                .collect::<std::result::Result<_, _>>()
                .map(Wanted::Listed),
        }
    }
}

fn number(text: &str) -> std::result::Result<f32, String> {
    match text.trim().parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(format!(
            "{text:?} is not a finite number; write NAME=VALUE, such as speed=1.5"
        )),
    }
}

/// The condition in the order of a generator's `names`; none when none is wanted.
pub fn ordered(wanted: &[Wanted], names: &[&str]) -> Result<Option<Vec<f32>>> {
    let mut named = Vec::new();
    for part in wanted {
        match part {
            Wanted::Listed(values) if wanted.len() == 1 => return Ok(Some(values.clone())),
            Wanted::Listed(_) => {
                return Err(Error::Condition(
                    "a condition is given twice; list its numbers once, or name each".into(),
                ));
            }
            Wanted::Named(pair) => named.push(pair),
        }
    }
    if named.is_empty() {
        return Ok(None);
    }
    if let Some(pair) = named
        .iter()
        .find(|pair| !names.contains(&pair.name.as_str()))
    {
        return Err(Error::Condition(match names {
            [] => format!(
                "{}: this generator has no condition; leave --condition out",
                pair.name
            ),
            _ => format!(
                "condition {} is unknown; choose of {}",
                pair.name,
                names.join(", ")
            ),
        }));
    }
    let value = |name: &&str| {
        let mut given = named.iter().filter(|pair| pair.name == *name);
        match (given.next(), given.next()) {
            (Some(pair), None) => Ok(pair.value),
            (None, _) => Err(Error::Condition(format!(
                "condition {name} is missing; add --condition {name}=VALUE"
            ))),
            _ => Err(Error::Condition(format!(
                "condition {name} is given twice; give it once"
            ))),
        }
    };
    names.iter().map(value).collect::<Result<_>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Result<Option<Vec<f32>>> {
        let wanted: Vec<Wanted> = texts.iter().map(|text| text.parse().unwrap()).collect();
        ordered(&wanted, &["speed", "load"])
    }

    #[test]
    fn names_are_put_in_the_generators_order() {
        assert_eq!(
            of(&["load=2", "speed=-1.5"]).unwrap(),
            Some(vec![-1.5, 2.0])
        );
        assert_eq!(of(&["-1.5,2"]).unwrap(), Some(vec![-1.5, 2.0]));
        assert_eq!(of(&[]).unwrap(), None);
    }

    #[test]
    fn what_is_missing_unknown_or_twice_is_named() {
        let says = |texts: &[&str], part: &str| {
            let message = of(texts).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        says(&["speed=1"], "condition load is missing");
        says(&["speed=1", "wind=2"], "choose of speed, load");
        says(&["speed=1", "load=2", "load=2"], "load is given twice");
        says(&["1,2", "load=2"], "given twice");
        assert!("speed=fast".parse::<Wanted>().is_err() && "=1".parse::<Named>().is_err());
        assert!("NaN,1".parse::<Wanted>().is_err());
    }
}
