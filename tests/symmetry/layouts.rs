//! Names and shapes of architectures, as their libraries' state dicts have them.

use pdiff::{Dtype, Layout, TensorSpec};

/// Tensors in the order in which they are added.
#[derive(Default)]
pub struct Tensors(pub Vec<TensorSpec>);

impl Tensors {
    pub fn add(&mut self, name: &str, shape: &[usize]) -> &mut Tensors {
        self.0.push(TensorSpec::new(name, shape, Dtype::F32));
        self
    }

    /// A layer with a bias.
    pub fn layer(&mut self, name: &str, shape: &[usize]) -> &mut Tensors {
        self.add(&format!("{name}.weight"), shape)
            .add(&format!("{name}.bias"), &shape[..1])
    }

    pub fn batch_norm(&mut self, name: &str, size: usize) -> &mut Tensors {
        self.layer(name, &[size])
            .add(&format!("{name}.running_mean"), &[size])
            .add(&format!("{name}.running_var"), &[size]);
        let counter = format!("{name}.num_batches_tracked");
        self.0.push(TensorSpec::new(counter, &[], Dtype::I64));
        self
    }

    /// What is generated, and what is not.
    pub fn split(&self) -> (Layout, Vec<TensorSpec>) {
        let (own, base) = self
            .0
            .iter()
            .cloned()
            .partition(|tensor| tensor.dtype.is_float());
        (Layout::new(own).unwrap(), base)
    }
}

/// A torchvision or timm ResNet: `blocks` per stage, `widths` of the stages' inner convolutions;
/// `expansion` 1 has basic blocks and 4 bottlenecks.
pub fn resnet(blocks: &[usize], widths: &[usize], expansion: usize, classes: usize) -> Tensors {
    let mut net = Tensors::default();
    let mut inputs = widths[0];
    net.add("conv1.weight", &[inputs, 3, 7, 7])
        .batch_norm("bn1", inputs);
    for (stage, (count, width)) in blocks.iter().zip(widths).enumerate() {
        for block in 0..*count {
            let name = format!("layer{}.{block}", stage + 1);
            let outputs = width * expansion;
            let convs: &[(usize, usize, usize)] = match expansion {
                1 => &[(inputs, *width, 3), (*width, outputs, 3)],
                _ => &[
                    (inputs, *width, 1),
                    (*width, *width, 3),
                    (*width, outputs, 1),
                ],
            };
            for (number, (from, to, kernel)) in (1..).zip(convs) {
                net.add(
                    &format!("{name}.conv{number}.weight"),
                    &[*to, *from, *kernel, *kernel],
                );
                net.batch_norm(&format!("{name}.bn{number}"), *to);
            }
            if block == 0 && (stage > 0 || inputs != outputs) {
                net.add(
                    &format!("{name}.downsample.0.weight"),
                    &[outputs, inputs, 1, 1],
                );
                net.batch_norm(&format!("{name}.downsample.1"), outputs);
            }
            inputs = outputs;
        }
    }
    net.layer("fc", &[classes, inputs]);
    net
}

/// A timm vision transformer.
pub fn timm_vit(
    width: usize,
    depth: usize,
    patch: usize,
    tokens: usize,
    classes: usize,
) -> Tensors {
    let mut net = Tensors::default();
    net.add("cls_token", &[1, 1, width])
        .add("pos_embed", &[1, tokens, width]);
    net.layer("patch_embed.proj", &[width, 3, patch, patch]);
    for block in 0..depth {
        let name = format!("blocks.{block}");
        net.layer(&format!("{name}.norm1"), &[width]);
        net.layer(&format!("{name}.attn.qkv"), &[3 * width, width]);
        net.layer(&format!("{name}.attn.proj"), &[width, width]);
        net.layer(&format!("{name}.norm2"), &[width]);
        net.layer(&format!("{name}.mlp.fc1"), &[4 * width, width]);
        net.layer(&format!("{name}.mlp.fc2"), &[width, 4 * width]);
    }
    net.layer("norm", &[width]).layer("head", &[classes, width]);
    net
}

/// A torchvision vision transformer.
pub fn torchvision_vit(
    width: usize,
    depth: usize,
    patch: usize,
    tokens: usize,
    classes: usize,
) -> Tensors {
    let mut net = Tensors::default();
    net.add("class_token", &[1, 1, width]);
    net.layer("conv_proj", &[width, 3, patch, patch]);
    net.add("encoder.pos_embedding", &[1, tokens, width]);
    for block in 0..depth {
        let name = format!("encoder.layers.encoder_layer_{block}");
        net.layer(&format!("{name}.ln_1"), &[width]);
        net.add(
            &format!("{name}.self_attention.in_proj_weight"),
            &[3 * width, width],
        );
        net.add(&format!("{name}.self_attention.in_proj_bias"), &[3 * width]);
        net.layer(&format!("{name}.self_attention.out_proj"), &[width, width]);
        net.layer(&format!("{name}.ln_2"), &[width]);
        net.layer(&format!("{name}.mlp.0"), &[4 * width, width]);
        net.layer(&format!("{name}.mlp.3"), &[width, 4 * width]);
    }
    net.layer("encoder.ln", &[width])
        .layer("heads.head", &[classes, width]);
    net
}

/// LeNet-5 as examples/zoo has it.
pub fn lenet5() -> Tensors {
    let mut net = Tensors::default();
    net.layer("conv1", &[6, 1, 5, 5])
        .layer("conv2", &[16, 6, 5, 5]);
    net.layer("fc1", &[120, 400])
        .layer("fc2", &[84, 120])
        .layer("fc3", &[10, 84]);
    net
}

/// The small CNN of examples/zoo.
pub fn cnn() -> Tensors {
    let mut net = Tensors::default();
    net.layer("conv1", &[8, 1, 3, 3])
        .layer("conv2", &[16, 8, 3, 3]);
    net.layer("conv3", &[16, 16, 3, 3]);
    net.layer("fc1", &[20, 144]).layer("fc2", &[10, 20]);
    net
}

pub fn cifar_cnn() -> Tensors {
    let mut net = Tensors::default();
    net.layer("conv1", &[32, 3, 3, 3])
        .layer("conv2", &[32, 32, 3, 3]);
    net.layer("conv3", &[32, 32, 3, 3])
        .layer("fc1", &[10, 2048]);
    net
}

/// A perceptron with these widths.
pub fn mlp(widths: &[usize]) -> Tensors {
    let mut net = Tensors::default();
    for (number, pair) in (1..).zip(widths.windows(2)) {
        net.layer(&format!("fc{number}"), &[pair[1], pair[0]]);
    }
    net
}
