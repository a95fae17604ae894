//! What is inferred from names and shapes.

use pdiff::symmetry::{Group, Symmetry, infer};

use crate::layouts::{self, Tensors};

fn groups(net: &Tensors, heads: Option<usize>) -> Vec<Group> {
    let (layout, base) = net.split();
    let spec = infer(layout.tensors(), &base, heads).unwrap();
    Symmetry::new(&spec, &layout).unwrap();
    spec.permutations
}

fn doubt(net: &Tensors) -> String {
    let (layout, base) = net.split();
    let error = infer(layout.tensors(), &base, None).unwrap_err();
    assert_eq!(error.status(), 13);
    error.to_string()
}

fn names_and_sizes(groups: &[Group]) -> Vec<(&str, usize)> {
    groups
        .iter()
        .map(|group| (group.name.as_str(), group.size))
        .collect()
}

/// Places as `tensor/axis`, with repeat and block where they are not 1.
fn places(group: &Group) -> Vec<String> {
    let place = |place: &pdiff::symmetry::Place| match (place.repeat, place.block) {
        (1, 1) => format!("{}/{}", place.tensor, place.axis),
        (repeat, block) => format!("{}/{} {repeat}x{block}", place.tensor, place.axis),
    };
    group.places.iter().map(place).collect()
}

#[test]
fn chains_of_the_zoo_have_a_group_per_hidden_layer() {
    let groups = groups(&layouts::cnn(), None);
    assert_eq!(
        names_and_sizes(&groups),
        [("conv1", 8), ("conv2", 16), ("conv3", 16), ("fc1", 20)]
    );
    assert_eq!(
        places(&groups[2]),
        ["conv3.weight/0", "conv3.bias/0", "fc1.weight/1 1x9"]
    );
    let sizes = |net: &Tensors| -> Vec<usize> {
        self::groups(net, None)
            .iter()
            .map(|group| group.size)
            .collect()
    };
    assert_eq!(sizes(&layouts::lenet5()), [6, 16, 120, 84]);
    assert_eq!(sizes(&layouts::cifar_cnn()), [32, 32, 32]);
    assert_eq!(sizes(&layouts::mlp(&[784, 32, 32, 10])), [32, 32]);
    assert_eq!(sizes(&layouts::mlp(&[784, 128, 128, 10])), [128, 128]);
}

#[test]
fn files_sorted_by_name_are_the_same_chain() {
    let mut net = Tensors::default();
    for (number, pair) in [5, 6, 6, 6, 6, 3].windows(2).enumerate() {
        net.layer(&format!("net.{}.linear", 4 * number), &[pair[1], pair[0]]);
        net.layer(&format!("net.{}.norm", 4 * number), &[pair[1]]);
    }
    net.0.truncate(net.0.len() - 2);
    let expected = groups(&net, None);
    assert_eq!(expected.len(), 4);
    assert_eq!(expected[2].name, "net.8.linear");
    assert!(places(&expected[2]).contains(&"net.8.norm.bias/0".into()));
    assert!(places(&expected[2]).contains(&"net.12.linear.weight/1".into()));
    net.0.sort_by(|a, b| a.name.cmp(&b.name));
    let mut sorted = groups(&net, None);
    for group in &mut sorted {
        let by_name = |a: &pdiff::symmetry::Place, b: &pdiff::symmetry::Place| {
            (&a.tensor, a.axis).cmp(&(&b.tensor, b.axis))
        };
        group.places.sort_by(by_name);
        let same = expected.iter().find(|other| other.name == group.name);
        let mut same = same.unwrap().clone();
        same.places.sort_by(by_name);
        assert_eq!(*group, same);
    }

    // Normalizations apart from their layers belong to the one with their number.
    let mut net = Tensors::default();
    net.batch_norm("bn1", 8).batch_norm("bn2", 8);
    net.layer("conv1", &[8, 3, 3, 3])
        .layer("conv2", &[8, 8, 3, 3])
        .layer("fc", &[10, 32]);
    let groups = groups(&net, None);
    assert!(places(&groups[1]).contains(&"bn2.running_var/0".into()));
    assert!(places(&groups[1]).contains(&"fc.weight/1 1x4".into()));
}

#[test]
fn residual_networks_have_a_stream_per_stage() {
    let net = layouts::resnet(&[2, 2, 2, 2], &[64, 128, 256, 512], 1, 1000);
    let (layout, _) = net.split();
    // torchvision's resnet18 has 11,689,512 parameters and 9,600 running statistics.
    assert_eq!(layout.parameters(), 11_689_512 + 9_600);
    let found = groups(&net, None);
    // Four streams and an inner group for each of eight blocks.
    assert_eq!(found.len(), 12);
    assert_eq!(
        names_and_sizes(&found)[..4],
        [
            ("conv1", 64),
            ("layer1.0.conv1", 64),
            ("layer1.1.conv1", 64),
            ("layer2.0.downsample.0", 128)
        ]
    );
    let stream = places(&found[0]);
    for place in [
        "conv1.weight/0",
        "bn1.running_var/0",
        "layer1.0.conv1.weight/1",
        "layer1.0.conv2.weight/0",
        "layer1.1.conv2.weight/0",
        "layer1.1.bn2.bias/0",
        "layer2.0.conv1.weight/1",
        "layer2.0.downsample.0.weight/1",
    ] {
        assert!(stream.contains(&place.to_owned()), "{place}: {stream:?}");
    }
    assert!(!stream.iter().any(|place| place.starts_with("layer1.0.bn1")));

    let net = layouts::resnet(&[3, 4, 6, 3], &[64, 128, 256, 512], 4, 1000);
    assert_eq!(net.split().0.parameters(), 25_557_032 + 53_120);
    let found = groups(&net, None);
    // The stem, four streams, and two inner groups for each of sixteen bottlenecks.
    assert_eq!(found.len(), 1 + 4 + 32);
    assert!(names_and_sizes(&found).contains(&("layer4.0.downsample.0", 2048)));
}

#[test]
fn vision_transformers_have_a_stream_perceptrons_and_heads() {
    let net = layouts::torchvision_vit(768, 12, 16, 197, 1000);
    assert_eq!(net.split().0.parameters(), 86_567_656);
    let found = groups(&net, None);
    assert_eq!(found.len(), 1 + 12);
    assert_eq!(names_and_sizes(&found)[0], ("stream", 768));
    let stream = places(&found[0]);
    for place in [
        "class_token/2",
        "encoder.pos_embedding/2",
        "encoder.layers.encoder_layer_3.self_attention.in_proj_weight/1",
        "encoder.layers.encoder_layer_3.self_attention.out_proj.weight/0",
        "encoder.layers.encoder_layer_3.mlp.3.bias/0",
        "heads.head.weight/1",
    ] {
        assert!(stream.contains(&place.to_owned()), "{place}");
    }
    let found = groups(&net, Some(12));
    assert_eq!(found.len(), 1 + 24);
    assert_eq!(
        places(&found[1]),
        [
            "encoder.layers.encoder_layer_0.self_attention.in_proj_weight/0 3x64",
            "encoder.layers.encoder_layer_0.self_attention.in_proj_bias/0 3x64",
            "encoder.layers.encoder_layer_0.self_attention.out_proj.weight/1 1x64",
        ]
    );

    let net = layouts::timm_vit(192, 12, 16, 197, 1000);
    assert_eq!(net.split().0.parameters(), 5_717_416);
    let found = groups(&net, Some(3));
    assert_eq!(found.len(), 1 + 24);
    assert!(names_and_sizes(&found).contains(&("blocks.11.mlp.fc1", 768)));
    assert!(names_and_sizes(&found).contains(&("blocks.11.heads", 3)));
}

#[test]
fn doubt_gives_no_spec_and_says_why() {
    let two_heads = |net: &mut Tensors| {
        net.layer("trunk", &[64, 17])
            .layer("policy", &[6, 64])
            .layer("worth", &[1, 64]);
    };
    let mut net = Tensors::default();
    two_heads(&mut net);
    assert!(doubt(&net).contains("worth.weight"), "{}", doubt(&net));

    let mut net = layouts::resnet(&[1], &[8], 1, 10);
    net.layer("layer1.0.se.fc1", &[2, 8]);
    assert!(doubt(&net).contains("layer1.0.se.fc1"));
    // Without the stem's normalization, blocks may normalize their inputs.
    let mut net = layouts::resnet(&[1], &[8], 1, 10);
    net.0.retain(|tensor| !tensor.name.starts_with("bn1"));
    assert!(doubt(&net).contains("bn1"));
    // Groups of channels, as timm's resnet50_gn normalizes under the same names; and behind a plain convolution.
    let mut net = layouts::resnet(&[1], &[8], 4, 10);
    net.0
        .retain(|tensor| !tensor.name.contains("running") && !tensor.name.contains("tracked"));
    assert!(doubt(&net).contains("bn1 has no running statistics"));
    let mut net = Tensors::default();
    net.layer("conv1", &[8, 3, 3, 3])
        .layer("norm1", &[8])
        .layer("fc", &[10, 32]);
    assert!(doubt(&net).contains("norm1 has no running statistics"));
    // A rectifier's slopes are of single channels.
    net.0.retain(|tensor| tensor.name != "norm1.bias");
    assert!(places(&groups(&net, None)[0]).contains(&"norm1.weight/0".into()));
    // A shortcut that pads with zeros: sizes change without a downsampling layer.
    let mut net = layouts::resnet(&[1, 1], &[8, 16], 1, 10);
    net.0.retain(|tensor| !tensor.name.contains("downsample"));
    assert!(doubt(&net).contains("layer2.0.conv2.weight"));
    // Grouped convolutions.
    let mut net = layouts::resnet(&[1], &[8], 4, 10);
    let grouped = net
        .0
        .iter_mut()
        .find(|tensor| tensor.name == "layer1.0.conv2.weight");
    grouped.unwrap().shape[1] = 2;
    assert!(doubt(&net).contains("layer1.0.conv2.weight"));

    let mut net = Tensors::default();
    net.add("lstm.weight_ih_l0", &[8, 4]).layer("fc", &[2, 8]);
    assert!(doubt(&net).contains("lstm.weight_ih_l0"));
    let mut net = layouts::mlp(&[4, 8, 8, 2]);
    net.layer("skip", &[2, 2]);
    assert!(doubt(&net).contains("skip"));
    // Two layers that this normalization could belong to, and it stands before both.
    let mut net = Tensors::default();
    net.layer("norm1", &[8])
        .layer("conv1", &[8, 8, 3, 3])
        .layer("fc1", &[8, 8])
        .layer("out", &[2, 8]);
    assert!(doubt(&net).contains("norm1"));
    let net = layouts::timm_vit(6, 1, 4, 5, 10);
    let (layout, base) = net.split();
    let error = infer(layout.tensors(), &base, Some(4))
        .unwrap_err()
        .to_string();
    assert!(error.contains("no 4 heads"), "{error}");
    // Nothing hidden.
    assert!(doubt(&layouts::mlp(&[4, 2])).contains("no hidden units"));
}

#[test]
fn groups_that_reach_into_what_is_kept_are_left_out() {
    let (layout, _) = layouts::mlp(&[4, 8, 6, 2]).split();
    let (kept, generated) = layout.tensors().split_at(2);
    let spec = infer(generated, kept, None).unwrap();
    assert_eq!(names_and_sizes(&spec.permutations), [("fc2", 6)]);
}
