//! A host that runs a residual network and a vision transformer by plain loops, so that what is
//! inferred for them is held to the function itself.

use pdiff::Layout;
use pdiff::symmetry::{Symmetry, check, infer};

use crate::layouts;

/// A network's tensors by name.
struct Net<'a> {
    layout: &'a Layout,
    weights: &'a [f32],
}

impl Net<'_> {
    fn get(&self, name: &str) -> (&[usize], Vec<f64>) {
        let (tensor, range) = self
            .layout
            .ranges()
            .find(|(tensor, _)| tensor.name == name)
            .unwrap();
        (
            &tensor.shape,
            self.weights[range].iter().map(|x| f64::from(*x)).collect(),
        )
    }

    fn has(&self, name: &str) -> bool {
        self.layout
            .tensors()
            .iter()
            .any(|tensor| tensor.name == name)
    }

    /// A padded convolution of [channels][side * side].
    fn conv(&self, name: &str, x: &[Vec<f64>], stride: usize) -> Vec<Vec<f64>> {
        let (shape, weight) = self.get(&format!("{name}.weight"));
        let side = x[0].len().isqrt();
        let (kernel, out) = (shape[2], side.div_ceil(stride));
        let mut y = vec![vec![0.0; out * out]; shape[0]];
        for (o, y) in y.iter_mut().enumerate() {
            for (c, x) in x.iter().enumerate() {
                for at in 0..out * out * kernel * kernel {
                    let (to, tap) = (at / (kernel * kernel), at % (kernel * kernel));
                    let row = (to / out * stride + tap / kernel).checked_sub(kernel / 2);
                    let column = (to % out * stride + tap % kernel).checked_sub(kernel / 2);
                    if let (Some(row), Some(column)) = (row, column)
                        && row < side
                        && column < side
                    {
                        let weight = weight[(o * shape[1] + c) * kernel * kernel + tap];
                        y[to] += weight * x[row * side + column];
                    }
                }
            }
        }
        y
    }

    fn batch_norm(&self, name: &str, mut x: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        let [weight, bias, mean, variance] = ["weight", "bias", "running_mean", "running_var"]
            .map(|part| self.get(&format!("{name}.{part}")).1);
        for (c, row) in x.iter_mut().enumerate() {
            for x in row {
                *x = (*x - mean[c]) / (variance[c].abs() + 1e-5).sqrt() * weight[c] + bias[c];
            }
        }
        x
    }

    /// Rows times a matrix, and a bias.
    fn linear(&self, weight: &str, bias: &str, x: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let ((shape, weight), (_, bias)) = (self.get(weight), self.get(bias));
        let row = |x: &Vec<f64>| {
            let unit = |o: usize| {
                let weight = &weight[o * shape[1]..][..shape[1]];
                bias[o] + weight.iter().zip(x).map(|(w, x)| w * x).sum::<f64>()
            };
            (0..shape[0]).map(unit).collect()
        };
        x.iter().map(row).collect()
    }

    fn layer(&self, name: &str, x: &[Vec<f64>]) -> Vec<Vec<f64>> {
        self.linear(&format!("{name}.weight"), &format!("{name}.bias"), x)
    }

    fn layer_norm(&self, name: &str, x: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let [weight, bias] = ["weight", "bias"].map(|part| self.get(&format!("{name}.{part}")).1);
        let row = |x: &Vec<f64>| {
            let n = x.len() as f64;
            let mean = x.iter().sum::<f64>() / n;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            let units = x.iter().zip(weight.iter().zip(&bias));
            units
                .map(|(x, (w, b))| (x - mean) / (variance + 1e-6).sqrt() * w + b)
                .collect()
        };
        x.iter().map(row).collect()
    }

    fn resnet(&self, image: &[Vec<f64>]) -> Vec<f32> {
        let relu = |x: Vec<Vec<f64>>| -> Vec<Vec<f64>> {
            x.into_iter()
                .map(|row| row.into_iter().map(|x| x.max(0.0)).collect())
                .collect()
        };
        let mut x = relu(self.batch_norm("bn1", self.conv("conv1", image, 2)));
        for stage in 1..=4 {
            for block in 0.. {
                let name = format!("layer{stage}.{block}");
                if !self.has(&format!("{name}.conv1.weight")) {
                    break;
                }
                let stride = if block == 0 && stage > 1 { 2 } else { 1 };
                let mut y = x.clone();
                for number in 1.. {
                    let conv = format!("{name}.conv{number}");
                    if !self.has(&format!("{conv}.weight")) {
                        break;
                    }
                    if number > 1 {
                        y = relu(y);
                    }
                    y = self.conv(&conv, &y, if number == 1 { stride } else { 1 });
                    y = self.batch_norm(&format!("{name}.bn{number}"), y);
                }
                if self.has(&format!("{name}.downsample.0.weight")) {
                    x = self.conv(&format!("{name}.downsample.0"), &x, stride);
                    x = self.batch_norm(&format!("{name}.downsample.1"), x);
                }
                x = relu(add(&x, &y));
            }
        }
        let pooled = x
            .iter()
            .map(|row| row.iter().sum::<f64>() / row.len() as f64);
        self.layer("fc", &[pooled.collect()])[0]
            .iter()
            .map(|x| *x as f32)
            .collect()
    }

    /// A vision transformer on patches [tokens][3 * patch * patch].
    fn vit(&self, names: &VitNames, heads: usize, patches: &[Vec<f64>]) -> Vec<f32> {
        let (shape, _) = self.get(&format!("{}.weight", names.patches));
        let width = shape[0];
        let (_, weight) = self.get(&format!("{}.weight", names.patches));
        let (_, bias) = self.get(&format!("{}.bias", names.patches));
        let taps = weight.len() / width;
        let mut x = vec![self.get(names.class).1];
        for patch in patches {
            let unit = |o: usize| {
                let weight = &weight[o * taps..][..taps];
                bias[o] + weight.iter().zip(patch).map(|(w, x)| w * x).sum::<f64>()
            };
            x.push((0..width).map(unit).collect());
        }
        let (_, positions) = self.get(names.positions);
        let positions: Vec<Vec<f64>> = positions.chunks(width).map(<[f64]>::to_vec).collect();
        x = add(&x, &positions);
        for block in 0.. {
            let name = format!("{}{block}", names.blocks);
            let part = |part: &str| format!("{name}.{part}");
            if !self.has(&format!("{}.weight", part(names.norms[0]))) {
                break;
            }
            let [weight, bias] = names.qkv.map(part);
            let qkv = self.linear(&weight, &bias, &self.layer_norm(&part(names.norms[0]), &x));
            let mixed = attention(&qkv, width, heads);
            x = add(&x, &self.layer(&part(names.project), &mixed));
            let [first, second] = names.perceptron.map(part);
            let mut hidden = self.layer(&first, &self.layer_norm(&part(names.norms[1]), &x));
            for h in hidden.iter_mut().flatten() {
                *h *= 1.0 / (1.0 + (-1.702 * *h).exp());
            }
            x = add(&x, &self.layer(&second, &hidden));
        }
        let x = self.layer_norm(names.norm, &x);
        self.layer(names.head, &x[..1])[0]
            .iter()
            .map(|x| *x as f32)
            .collect()
    }
}

struct VitNames {
    class: &'static str,
    positions: &'static str,
    patches: &'static str,
    blocks: &'static str,
    norms: [&'static str; 2],
    qkv: [&'static str; 2],
    project: &'static str,
    perceptron: [&'static str; 2],
    norm: &'static str,
    head: &'static str,
}

const TIMM: VitNames = VitNames {
    class: "cls_token",
    positions: "pos_embed",
    patches: "patch_embed.proj",
    blocks: "blocks.",
    norms: ["norm1", "norm2"],
    qkv: ["attn.qkv.weight", "attn.qkv.bias"],
    project: "attn.proj",
    perceptron: ["mlp.fc1", "mlp.fc2"],
    norm: "norm",
    head: "head",
};

const TORCHVISION: VitNames = VitNames {
    class: "class_token",
    positions: "encoder.pos_embedding",
    patches: "conv_proj",
    blocks: "encoder.layers.encoder_layer_",
    norms: ["ln_1", "ln_2"],
    qkv: [
        "self_attention.in_proj_weight",
        "self_attention.in_proj_bias",
    ],
    project: "self_attention.out_proj",
    perceptron: ["mlp.0", "mlp.3"],
    norm: "encoder.ln",
    head: "heads.head",
};

fn add(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let rows = a.iter().zip(b);
    rows.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect())
        .collect()
}

/// Attention of rows [3 * width], whose queries, keys and values lie head by head.
fn attention(qkv: &[Vec<f64>], width: usize, heads: usize) -> Vec<Vec<f64>> {
    let each = width / heads;
    let mut out = vec![vec![0.0; width]; qkv.len()];
    for head in 0..heads {
        let part = |row: usize, which: usize| &qkv[row][which * width + head * each..][..each];
        for (i, out) in out.iter_mut().enumerate() {
            let score = |j: usize| {
                let products = part(i, 0).iter().zip(part(j, 1)).map(|(q, k)| q * k);
                (products.sum::<f64>() / (each as f64).sqrt()).exp()
            };
            let scores: Vec<f64> = (0..qkv.len()).map(score).collect();
            let total: f64 = scores.iter().sum();
            for (j, score) in scores.iter().enumerate() {
                for (out, v) in out[head * each..].iter_mut().zip(part(j, 2)) {
                    *out += score / total * v;
                }
            }
        }
    }
    out
}

/// Numbers between -.5 and .5 by a linear congruence (Knuth's MMIX).
pub fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..count).map(|_| next()).collect()
}

fn rows(count: usize, length: usize) -> Vec<Vec<f64>> {
    let numbers = numbers(count * length, 9);
    let rows = numbers.chunks(length);
    rows.map(|row| row.iter().map(|x| f64::from(*x)).collect())
        .collect()
}

#[test]
fn permuted_residual_networks_compute_the_same() {
    let image = rows(3, 12 * 12);
    for net in [
        layouts::resnet(&[2, 2], &[6, 10], 1, 5),
        layouts::resnet(&[2, 1, 1], &[3, 4, 6], 4, 5),
    ] {
        let (layout, base) = net.split();
        let spec = infer(layout.tensors(), &base, None).unwrap();
        let weights = numbers(layout.parameters(), 2);
        let mut run = |weights: &[f32]| {
            let net = Net {
                layout: &layout,
                weights,
            };
            Ok(net.resnet(&image))
        };
        let symmetry = Symmetry::new(&spec, &layout).unwrap();
        check(&symmetry, &weights, 1, &mut run).unwrap();
        // A normalization that is left behind is found, and its group named.
        let mut wrong = spec.clone();
        let mut groups = wrong.permutations.iter_mut();
        let inner = groups.find(|group| group.name == "layer1.0.conv1").unwrap();
        inner
            .places
            .retain(|place| !place.tensor.starts_with("layer1.0.bn1."));
        let symmetry = Symmetry::new(&wrong, &layout).unwrap();
        let error = check(&symmetry, &weights, 1, &mut run).unwrap_err();
        assert_eq!(error.status(), 5);
        assert!(
            error.to_string().contains("layer1.0.conv1 changes"),
            "{error}"
        );
    }
}

#[test]
fn permuted_vision_transformers_compute_the_same() {
    let patches = rows(4, 3 * 2 * 2);
    let (width, heads) = (12, 3);
    for (net, names) in [
        (layouts::timm_vit(width, 2, 2, 5, 7), &TIMM),
        (layouts::torchvision_vit(width, 2, 2, 5, 7), &TORCHVISION),
    ] {
        let (layout, base) = net.split();
        let weights = numbers(layout.parameters(), 3);
        let mut run = |weights: &[f32]| {
            let net = Net {
                layout: &layout,
                weights,
            };
            Ok(net.vit(names, heads, &patches))
        };
        for (given, groups) in [(None, 3), (Some(heads), 5)] {
            let spec = infer(layout.tensors(), &base, given).unwrap();
            assert_eq!(spec.permutations.len(), groups);
            let symmetry = Symmetry::new(&spec, &layout).unwrap();
            check(&symmetry, &weights, 1, &mut run).unwrap();
        }
        // Another number of heads than the network's own is found.
        let wrong = infer(layout.tensors(), &base, Some(2 * heads)).unwrap();
        let symmetry = Symmetry::new(&wrong, &layout).unwrap();
        assert!(check(&symmetry, &weights, 1, &mut run).is_err());
    }
}
