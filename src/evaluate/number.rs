//! Numbers as people read them.

/// A score in few characters: four decimals up to 10, then about five digits.
pub fn number(value: f64) -> String {
    match value.abs() {
        a if a < 10.0 => format!("{value:.4}"),
        a if a < 1000.0 => format!("{value:.2}"),
        a if a < 1e6 => format!("{value:.0}"),
        _ => format!("{value:.2e}"),
    }
}

/// The difference of two scores: two digits that count.
pub fn difference(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        a if a < 1e-5 => format!("{value:.1e}"),
        a if a < 10.0 => {
            let decimals = (1 - a.log10().floor() as i32).clamp(0, 6) as usize;
            format!("{value:.decimals$}")
        }
        _ => number(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_follow_the_magnitude() {
        let cases = [
            (0.96784, "0.9678"),
            (-1.5, "-1.5000"),
            (123.456, "123.46"),
            (4321.9, "4322"),
            (2.5e7, "2.50e7"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        let cases = [
            (0.0, "0"),
            (0.00412, "0.0041"),
            (0.2, "0.20"),
            (3.26, "3.3"),
            (52.345, "52.34"),
            (2e-7, "2.0e-7"),
        ];
        for (value, text) in cases {
            assert_eq!(difference(value), text);
        }
    }
}
