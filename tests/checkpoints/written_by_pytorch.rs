//! Files by PyTorch and safetensors themselves, held to what torch.load reads.

use crate::*;
use serde_json::Value;

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().as_chunks::<2>().0.iter();
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn every_fixture_reads_as_torch_load_reads_it() {
    let text = std::fs::read_to_string(fixture("expected.json")).unwrap();
    let Value::Object(files) = serde_json::from_str(&text).unwrap() else {
        panic!("expected.json maps names to tensors");
    };
    assert_eq!(files.len(), 11);
    for (file, expected) in files {
        let tensors = read_checkpoint(&fixture(&file)).unwrap();
        let expected = expected.as_array().unwrap();
        assert_eq!(tensors.len(), expected.len(), "{file}");
        for (tensor, expected) in tensors.iter().zip(expected) {
            let name = expected["name"].as_str().unwrap();
            let dtype: Dtype = serde_json::from_value(expected["dtype"].clone()).unwrap();
            let shape: Vec<usize> = serde_json::from_value(expected["shape"].clone()).unwrap();
            assert_eq!(tensor.spec.name, name, "{file}");
            assert_eq!(tensor.spec.dtype, dtype, "{file}: {name}");
            assert_eq!(tensor.spec.shape, shape, "{file}: {name}");
            assert_eq!(
                tensor.bytes,
                hex(expected["bytes"].as_str().unwrap()),
                "{file}: {name}"
            );
        }
    }
}

#[test]
fn element_types_that_no_snapshot_holds_are_named() {
    for (file, tensor, dtype) in [
        ("uint16.pt", "wide", "uint16"),
        ("float8.pt", "eighth", "float8_e4m3fn"),
        ("complex.pt", "wave", "complex64"),
        ("negated.pt", "flipped", "negated"),
        ("float8.safetensors", "eighth", "F8_E4M3"),
    ] {
        let message = refusal(read_checkpoint(&fixture(file)), UNSUPPORTED);
        assert!(
            message.contains(&format!("tensor {tensor} is ")),
            "{message}"
        );
        assert!(message.contains(dtype), "{message}");
    }
}

#[test]
fn a_whole_module_is_refused_with_the_way_out() {
    let message = refusal(read_checkpoint(&fixture("module.pt")), UNSUPPORTED);
    assert!(
        message.contains("torch.nn.modules.container.Sequential would run code; save a plain state dict: torch.save(model.state_dict(), path)"),
        "{message}"
    );
}

#[test]
fn the_format_before_1_6_is_refused_with_the_way_out() {
    let message = refusal(read_checkpoint(&fixture("legacy.pt")), UNSUPPORTED);
    assert!(message.contains("save its state dict again"), "{message}");
}

#[test]
fn a_pickle_with_code_in_it_is_refused_and_does_not_run() {
    let message = refusal(read_checkpoint(&fixture("hostile.pt")), UNSUPPORTED);
    assert!(message.contains("posix.system would run code"), "{message}");
    assert!(!Path::new("pdiff-hostile-pickle-ran").exists());
}
