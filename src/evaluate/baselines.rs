//! The trivial ways to make networks out of a zoo, at their best, as the bar that any generator has
//! to pass (arXiv 2506.07998).

use serde::{Deserialize, Serialize};

use super::reference::Reference;
use super::rows::Rows;
use crate::error::{Error, Result};
use crate::noise::{Noise, Purpose, Stream};

/// Strengths that tuned noise chooses from, in units of each weight's deviation over the zoo.
pub const STRENGTHS: [f64; 6] = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6];

/// What a method may spend per evaluation besides the zoo's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// No data.
    Weights,
    /// Forward evaluations on a selection set.
    Score,
    /// Training data while the generator was made, and none since.
    Behaviour,
    /// Training steps on the training set.
    Polish,
}

/// How a baseline makes networks.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// A random member plus `strength` times each weight's deviation over the zoo, times a normal
    /// number.
    Noise { strength: f64 },
    /// Independent normal weights with the zoo's mean and variance.
    Gaussian,
    /// SWAG (arXiv 1902.02476, eq. 1): half the covariance diagonal, half spanned by the deviations
    /// of the last `rank` members.
    LowRank { rank: usize },
    /// Normal in the zoo's first principal components, in all of them when none.
    Components { count: Option<usize> },
    /// A kernel density in the first principal components, bandwidth by Silverman's rule, shrunk
    /// about the mean so that the zoo's variance is kept (Silverman 1986, 6.4.1).
    Kernel { components: usize },
    /// A uniformly random point between two random members.
    Interpolation,
    /// The mean of so many random members.
    Soup { size: usize },
    /// The mean of these members: a single network.
    SoupOf { members: Vec<usize> },
    /// Members themselves: copies.
    Retrieval,
}

impl Method {
    /// Those without anything to choose, for a zoo of `n` members with `rank` components.
    pub fn fixed(n: usize, rank: usize) -> Vec<Method> {
        let mut methods = vec![Method::Gaussian, Method::LowRank { rank: 20.min(n) }];
        let counts = [10, 20].into_iter().filter(|count| *count < rank).map(Some);
        methods.extend(
            counts
                .chain([None])
                .map(|count| Method::Components { count }),
        );
        methods.push(Method::Kernel {
            components: 20.min(rank),
        });
        methods.push(Method::Interpolation);
        let sizes = [2, 4, 8, 16].into_iter().filter(|size| *size < n);
        methods.extend(sizes.map(|size| Method::Soup { size }));
        methods.push(Method::SoupOf {
            members: (0..n).collect(),
        });
        methods.push(Method::Retrieval);
        methods
    }

    /// What the method is called for a zoo of so many members.
    pub fn name(&self, zoo: usize) -> String {
        match self {
            Method::Noise { strength } => format!("noise {strength}"),
            Method::Gaussian => "Gaussian".into(),
            Method::LowRank { .. } => "Gaussian, SWAG".into(),
            Method::Components { count: Some(k) } => format!("Gaussian, {k} comp."),
            Method::Components { count: None } => "Gaussian, all comp.".into(),
            Method::Kernel { .. } => "kernel density".into(),
            Method::Interpolation => "interpolation".into(),
            Method::Soup { size } => format!("soup of {size}"),
            Method::SoupOf { members } if members.len() == zoo => "soup of all".into(),
            Method::SoupOf { members } => format!("greedy soup of {}", members.len()),
            Method::Retrieval => "stored members".into(),
        }
    }
}

/// One baseline's networks, each made when it is read; network i depends on (seed, i) alone.
pub struct Baseline<'a> {
    reference: &'a Reference<'a>,
    pub method: Method,
    pub name: String,
    pub budget: Budget,
    noise: Noise,
    count: usize,
}

impl<'a> Baseline<'a> {
    /// `count` networks, or as many as the method can make different ones of. Fails on a method
    /// that asks for more members or components than there are.
    pub fn new(
        reference: &'a Reference<'a>,
        method: Method,
        budget: Budget,
        count: usize,
        seed: u64,
    ) -> Result<Baseline<'a>> {
        let (n, rank) = (reference.zoo.len(), reference.principal.rank());
        let (asked, available) = match &method {
            Method::LowRank { rank } => (*rank, n),
            Method::Components { count: Some(k) } | Method::Kernel { components: k } => (*k, rank),
            Method::Soup { size } => (*size, n),
            Method::SoupOf { members } => (members.iter().max().map_or(0, |last| last + 1), n),
            _ => (1, n),
        };
        if asked > available || asked == 0 {
            return Err(Error::invalid(format!(
                "{}: the zoo has {available}; ask for 1 to {available}",
                method.name(n)
            )));
        }
        let count = match &method {
            Method::SoupOf { .. } => count.min(1),
            Method::Retrieval => count.min(n),
            _ => count,
        };
        Ok(Baseline {
            name: method.name(n),
            noise: Noise::new(seed),
            reference,
            method,
            budget,
            count,
        })
    }

    /// Network `i` as a point of the zoo's affine span plus independent noise on each weight.
    fn draw(&self, i: usize) -> Draw {
        let n = self.reference.zoo.len();
        let mut random = self.noise.stream(Purpose::Baseline, i as u64, 0);
        match &self.method {
            Method::Noise { strength } => Draw {
                mixture: vec![(random.below(n), 1.0)],
                noise: *strength,
            },
            Method::Gaussian => Draw {
                mixture: vec![],
                noise: 1.0,
            },
            Method::LowRank { rank } => {
                let scale = (2.0 * (*rank as f64 - 1.0).max(1.0)).sqrt().recip();
                let z = normals(&mut random, *rank);
                let last = (n - rank)..n;
                Draw {
                    mixture: last.zip(z.iter().map(|z| z * scale)).collect(),
                    noise: 0.5f64.sqrt(),
                }
            }
            Method::Components { count: None } => {
                let scale = ((n - 1) as f64).sqrt().recip();
                let z = normals(&mut random, n);
                Draw::inside(z.iter().map(|z| z * scale))
            }
            Method::Components { count: Some(k) } => {
                let scale = ((n - 1) as f64).sqrt().recip();
                let z = normals(&mut random, *k);
                Draw::inside(
                    self.reference
                        .principal
                        .mix(&z)
                        .into_iter()
                        .map(|a| a * scale),
                )
            }
            Method::Kernel { components: d } => {
                let h = silverman(n, *d);
                let scale = h / ((n - 1) as f64).sqrt();
                let mut point = self.reference.principal.member(random.below(n), *d);
                let z = normals(&mut random, *d);
                point.iter_mut().zip(&z).for_each(|(p, z)| *p += scale * z);
                let shrink = (1.0 + h * h).sqrt().recip();
                Draw::inside(
                    self.reference
                        .principal
                        .mix(&point)
                        .into_iter()
                        .map(|a| a * shrink),
                )
            }
            Method::Interpolation => {
                let members = pick(&mut random, n, 2);
                let alpha = random.uniform();
                Draw {
                    mixture: vec![(members[0], alpha), (members[1], 1.0 - alpha)],
                    noise: 0.0,
                }
            }
            Method::Soup { size } => Draw::mean(&pick(&mut random, n, *size)),
            Method::SoupOf { members } => Draw::mean(members),
            Method::Retrieval => {
                let order = self.noise.stream(Purpose::Baseline, 0, 0).permutation(n);
                Draw::mean(&[order[i]])
            }
        }
    }
}

impl Rows for Baseline<'_> {
    fn len(&self) -> usize {
        self.count
    }

    fn width(&self) -> usize {
        self.reference.zoo.width()
    }

    fn read(&self, row: usize, out: &mut [f32]) -> Result<()> {
        let draw = self.draw(row);
        let rest = 1.0 - draw.mixture.iter().map(|(_, a)| a).sum::<f64>();
        // Weights that sum to 1 up to rounding leave nothing of the mean.
        let rest = if rest.abs() < 1e-12 { 0.0 } else { rest as f32 };
        for (o, m) in out.iter_mut().zip(&self.reference.mean) {
            *o = rest * m;
        }
        let mut scratch = vec![0.0; out.len()];
        for (member, weight) in draw.mixture {
            self.reference.zoo.read(member, &mut scratch)?;
            let weight = weight as f32;
            out.iter_mut()
                .zip(&scratch)
                .for_each(|(o, x)| *o += weight * x);
        }
        if draw.noise > 0.0 {
            self.noise
                .normal(Purpose::Baseline, row as u64, 1, &mut scratch);
            let strength = draw.noise as f32;
            let scaled = scratch.iter().zip(&self.reference.deviation);
            out.iter_mut()
                .zip(scaled)
                .for_each(|(o, (z, d))| *o += strength * z * d);
        }
        Ok(())
    }
}

/// mean + Σ_j a_j (x_j - mean) + noise · deviation ∘ ε.
struct Draw {
    /// (member j, a_j)
    mixture: Vec<(usize, f64)>,
    noise: f64,
}

impl Draw {
    /// A point of the span, with a coefficient for every member.
    fn inside(coefficients: impl Iterator<Item = f64>) -> Draw {
        Draw {
            mixture: coefficients.enumerate().collect(),
            noise: 0.0,
        }
    }

    fn mean(members: &[usize]) -> Draw {
        let weight = 1.0 / members.len() as f64;
        Draw {
            mixture: members.iter().map(|j| (*j, weight)).collect(),
            noise: 0.0,
        }
    }
}

/// Silverman's bandwidth for n points in d dimensions of unit variance (Silverman 1986, eq. 4.14).
fn silverman(n: usize, d: usize) -> f64 {
    (4.0 / ((d + 2) as f64 * n as f64)).powf(1.0 / (d + 4) as f64)
}

fn normals(random: &mut Stream, n: usize) -> Vec<f64> {
    let mut z = vec![0.0f32; n];
    random.normal(&mut z);
    z.into_iter().map(f64::from).collect()
}

/// `size` different indices below `n`.
fn pick(random: &mut Stream, n: usize, size: usize) -> Vec<usize> {
    let mut picked = Vec::with_capacity(size);
    while picked.len() < size.min(n) {
        let index = random.below(n);
        if !picked.contains(&index) {
            picked.push(index);
        }
    }
    picked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::rows::Matrix;

    const N: usize = 12;
    const D: usize = 5;
    const DRAWS: usize = 4000;

    /// Correlated members with different scales, about different means.
    fn zoo() -> Matrix {
        let mut z = vec![0.0f32; N * D];
        Noise::new(3).normal(Purpose::Training, 0, 0, &mut z);
        for row in z.chunks_exact_mut(D) {
            for k in 0..D {
                let shared = row[0];
                row[k] = 2.0 * k as f32 + (0.3 + 0.4 * k as f32) * row[k] + 0.5 * shared;
            }
        }
        Matrix::new(D, z).unwrap()
    }

    fn networks(baseline: &Baseline) -> Vec<[f64; D]> {
        let mut row = [0.0f32; D];
        (0..baseline.len())
            .map(|i| {
                baseline.read(i, &mut row).unwrap();
                row.map(f64::from)
            })
            .collect()
    }

    fn mean_and_covariance(rows: &[[f64; D]], divisor: f64) -> ([f64; D], [[f64; D]; D]) {
        let n = rows.len() as f64;
        let mean: [f64; D] = std::array::from_fn(|k| rows.iter().map(|r| r[k]).sum::<f64>() / n);
        let entry = |a: usize, b: usize| {
            rows.iter()
                .map(|r| (r[a] - mean[a]) * (r[b] - mean[b]))
                .sum::<f64>()
                / divisor
        };
        (
            mean,
            std::array::from_fn(|a| std::array::from_fn(|b| entry(a, b))),
        )
    }

    /// Draws many networks and compares mean and covariance with what `expected` makes of the
    /// zoo's covariance (divisor N - 1) at (a, b).
    fn assert_moments(method: Method, expected: impl Fn(&[[f64; D]; D], usize, usize) -> f64) {
        let zoo = zoo();
        let reference = Reference::new(&zoo).unwrap();
        let members = Baseline::new(&reference, Method::Retrieval, Budget::Weights, N, 0).unwrap();
        let (mean, covariance) = mean_and_covariance(&networks(&members), (N - 1) as f64);
        let baseline = Baseline::new(&reference, method, Budget::Weights, DRAWS, 7).unwrap();
        let (own_mean, own) = mean_and_covariance(&networks(&baseline), DRAWS as f64);
        for a in 0..D {
            // Five standard errors of a mean, and of a covariance of normal numbers.
            let deviation = |k: usize| covariance[k][k].sqrt();
            let error = 5.0 / (DRAWS as f64).sqrt();
            assert!(
                (own_mean[a] - mean[a]).abs() < 2.0 * error * deviation(a),
                "{} mean {a}",
                baseline.name
            );
            for (b, found) in own[a].into_iter().enumerate() {
                let truth = expected(&covariance, a, b);
                let scale = 2.0 * deviation(a) * deviation(b);
                assert!(
                    (found - truth).abs() < 1.5 * error * scale,
                    "{} [{a}, {b}]: {found}, not {truth}",
                    baseline.name
                );
            }
        }
    }

    /// Of drawing one of N members: their covariance with divisor N.
    const ONE: f64 = (N - 1) as f64 / N as f64;

    #[test]
    fn gaussians_have_the_moments_they_promise() {
        assert_moments(
            Method::Gaussian,
            |c, a, b| if a == b { c[a][a] } else { 0.0 },
        );
        assert_moments(Method::Components { count: None }, |c, a, b| c[a][b]);
        // Five dimensions have five components.
        assert_moments(Method::Components { count: Some(5) }, |c, a, b| c[a][b]);
        assert_moments(Method::LowRank { rank: N }, |c, a, b| {
            0.5 * c[a][b] + if a == b { 0.5 * c[a][a] } else { 0.0 }
        });
    }

    #[test]
    fn mixtures_have_the_moments_they_promise() {
        assert_moments(Method::Noise { strength: 0.4 }, |c, a, b| {
            ONE * c[a][b] + if a == b { 0.16 * c[a][a] } else { 0.0 }
        });
        // Draws without replacement are correlated: -c/N between two different members.
        assert_moments(Method::Soup { size: 4 }, |c, a, b| {
            c[a][b] * (1.0 / 4.0 - 1.0 / N as f64)
        });
        // E[alpha² + (1 - alpha)²] = 2/3.
        assert_moments(Method::Interpolation, |c, a, b| {
            c[a][b] * (2.0 / 3.0 - 1.0 / N as f64)
        });
        let h = silverman(N, 5);
        assert_moments(Method::Kernel { components: 5 }, |c, a, b| {
            c[a][b] * (ONE + h * h) / (1.0 + h * h)
        });
    }

    #[test]
    fn few_components_keep_the_variance_along_them_and_none_across() {
        let zoo = zoo();
        let reference = Reference::new(&zoo).unwrap();
        let method = Method::Components { count: Some(2) };
        let baseline = Baseline::new(&reference, method, Budget::Weights, DRAWS, 7).unwrap();
        let share = reference.principal.explained(0) + reference.principal.explained(1);
        let placement = reference.place(&baseline).unwrap();
        let dispersion = reference.dispersion(&placement).unwrap();
        assert!(
            (dispersion - share.sqrt()).abs() < 0.02,
            "{dispersion} {share}"
        );
        let on_map: f64 = placement.map.iter().flatten().map(|c| c * c).sum();
        let total = placement.spread_about_zoo.powi(2) * DRAWS as f64;
        assert!((on_map / total - 1.0).abs() < 1e-5);
    }

    #[test]
    fn retrieval_hands_out_each_member_once_and_a_soup_of_all_is_the_mean() {
        let zoo = zoo();
        let reference = Reference::new(&zoo).unwrap();
        let stored = Baseline::new(&reference, Method::Retrieval, Budget::Weights, 50, 1).unwrap();
        let mut found = networks(&stored);
        let mut members = Vec::new();
        for i in 0..N {
            let mut row = [0.0; D];
            zoo.read(i, &mut row).unwrap();
            members.push(row.map(f64::from));
        }
        found.sort_by(|a, b| a[0].total_cmp(&b[0]));
        members.sort_by(|a, b| a[0].total_cmp(&b[0]));
        assert_eq!(found, members);
        let all = Method::SoupOf {
            members: (0..N).collect(),
        };
        let soup = Baseline::new(&reference, all, Budget::Weights, 50, 1).unwrap();
        assert_eq!((soup.len(), soup.name.as_str()), (1, "soup of all"));
        for (x, mean) in networks(&soup)[0].iter().zip(&reference.mean) {
            assert!((x - f64::from(*mean)).abs() < 1e-5);
        }
    }

    #[test]
    fn a_network_depends_on_seed_and_index_alone() {
        let zoo = zoo();
        let reference = Reference::new(&zoo).unwrap();
        let read = |method: &Method, count, seed| {
            networks(
                &Baseline::new(&reference, method.clone(), Budget::Weights, count, seed).unwrap(),
            )
        };
        for method in Method::fixed(N, reference.principal.rank()) {
            let (few, many) = (read(&method, 3, 1), read(&method, 10, 1));
            assert_eq!(few[..], many[..few.len()], "{method:?}");
            if !matches!(method, Method::SoupOf { .. }) {
                assert_ne!(few, read(&method, 3, 2), "{method:?}");
            }
        }
    }

    #[test]
    fn more_than_there_is_is_refused() {
        let zoo = zoo();
        let reference = Reference::new(&zoo).unwrap();
        for method in [
            Method::Soup { size: N + 1 },
            Method::Soup { size: 0 },
            Method::LowRank { rank: N + 1 },
            Method::Components { count: Some(D + 1) },
            Method::Kernel { components: D + 1 },
            Method::SoupOf { members: vec![N] },
        ] {
            let refused = Baseline::new(&reference, method.clone(), Budget::Weights, 1, 0);
            assert!(refused.is_err(), "{method:?}");
        }
    }
}
