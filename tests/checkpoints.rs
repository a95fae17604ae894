//! Checkpoints as PyTorch 2.11 and safetensors write them, held to what torch.load reads, and
//! everything a damaged or hostile file may try. The files: tests/golden/checkpoints.py.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use pdiff::{Dtype, Error, Tensor, read_checkpoint, read_checkpoint_from};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/checkpoints")
        .join(name)
}

fn read_bytes(bytes: &[u8]) -> pdiff::Result<Vec<Tensor>> {
    read_checkpoint_from(Cursor::new(bytes), Path::new("bytes"))
}

/// The one-line message of a refusal with this status.
fn refusal(result: pdiff::Result<Vec<Tensor>>, status: i32) -> String {
    let error = result.unwrap_err();
    let message = error.to_string();
    assert_eq!(error.status(), status, "{message}");
    assert!(!message.contains('\n'), "{message}");
    message
}

const CORRUPT: i32 = 3;
const UNSUPPORTED: i32 = 13;

mod written_by_pytorch {
    use super::*;
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
}

mod damaged {
    use super::*;

    const FILES: [&str; 3] = ["wrapped.pt", "views.pt", "dtypes.safetensors"];

    #[test]
    fn a_truncated_file_is_an_error_at_any_length() {
        for file in FILES {
            let bytes = std::fs::read(fixture(file)).unwrap();
            for length in (0..bytes.len())
                .step_by(64)
                .chain(bytes.len() - 40..bytes.len())
            {
                refusal(read_bytes(&bytes[..length]), CORRUPT);
            }
        }
    }

    /// Archive entries have checksums, so one flipped bit is found or it changes nothing.
    #[test]
    fn a_flipped_bit_in_an_archive_is_found_or_harmless() {
        for file in ["plain.pt", "views.pt"] {
            let bytes = std::fs::read(fixture(file)).unwrap();
            let whole = read_bytes(&bytes).unwrap();
            let mut found = 0;
            for position in pseudorandom(1).take(1000) {
                let mut bytes = bytes.clone();
                flip(&mut bytes, position);
                match read_bytes(&bytes) {
                    Ok(tensors) => assert_eq!(tensors, whole, "{file}: {position}"),
                    Err(_) => found += 1,
                }
            }
            assert!(found > 250, "{file}: {found}");
        }
    }

    #[test]
    fn flipped_bits_in_safetensors_never_panic() {
        let bytes = std::fs::read(fixture("dtypes.safetensors")).unwrap();
        let mut found = 0;
        for position in pseudorandom(2).take(1000) {
            let mut bytes = bytes.clone();
            flip(&mut bytes, position);
            found += usize::from(read_bytes(&bytes).is_err());
        }
        assert!(found > 250, "{found}");
    }

    #[test]
    fn an_empty_file_a_folder_and_other_files_are_errors() {
        assert!(refusal(read_bytes(b""), CORRUPT).contains("the file is empty"));
        for other in [&b"GIF89a, really"[..], b"{\"a\": 1}", b"PK\x03\x04", b"x"] {
            refusal(read_bytes(other), CORRUPT);
        }
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_checkpoint(folder.path()).unwrap_err().status(), 2);
        let missing = read_checkpoint(&folder.path().join("missing.pt"));
        assert!(matches!(missing, Err(Error::Io { .. })));
    }

    fn flip(bytes: &mut [u8], position: usize) {
        let at = position % bytes.len();
        bytes[at] ^= 1 << (position >> 32 & 7);
    }

    /// SplitMix64 (Steele, Lea and Flood 2014).
    fn pseudorandom(seed: u64) -> impl Iterator<Item = usize> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) as usize
        })
    }
}

mod hostile_safetensors {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    }

    fn refused(header: &str, data: usize) -> String {
        refusal(read_bytes(&file(header, data)), CORRUPT)
    }

    #[test]
    fn a_header_that_claims_an_exabyte_is_not_believed() {
        let mut bytes = file("{}", 0);
        bytes[..8].copy_from_slice(&(1u64 << 60).to_le_bytes());
        let message = refusal(read_bytes(&bytes), CORRUPT);
        assert!(
            message.contains("the header claims 1152921504606846976 bytes"),
            "{message}"
        );
    }

    #[test]
    fn tensors_that_claim_more_than_the_file_holds_are_refused() {
        let terabyte =
            r#"{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}"#;
        assert!(refused(terabyte, 8).contains("the file holds 8"));
        let overflow =
            r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#;
        refused(overflow, 8);
    }

    #[test]
    fn offsets_that_overlap_or_leave_a_gap_are_refused() {
        let two = |b: &str| {
            format!(
                r#"{{"a":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}},"b":{{"dtype":"F32","shape":[2],"data_offsets":{b}}}}}"#
            )
        };
        assert_eq!(read_bytes(&file(&two("[8,16]"), 16)).unwrap().len(), 2);
        refused(&two("[4,12]"), 12);
        refused(&two("[12,20]"), 20);
        refused(&two("[8,16]"), 24);
        refused(&two("[16,8]"), 16);
    }

    #[test]
    fn headers_that_are_no_table_of_tensors_are_refused() {
        for header in [
            "{",
            "{}",
            r#"{"a":1}"#,
            r#"{"a":{"dtype":"X","shape":[],"data_offsets":[0,0]}}"#,
        ] {
            refused(header, 0);
        }
        refused(&"{\"a\":".repeat(100_000), 0);
    }
}

mod hostile_archives {
    use super::*;
    use zip::write::{SimpleFileOptions, ZipWriter};

    /// An archive as torch.save writes it, around any pickle and storage `0`.
    fn archive(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in [("x/data.pkl", pickle), ("x/data/0", storage)] {
            let stored = SimpleFileOptions::default();
            zip.start_file(name, stored).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn refused(pickle: &[u8], status: i32) -> String {
        refusal(read_bytes(&archive(pickle, &[0; 16])), status)
    }

    fn text(text: &str) -> Vec<u8> {
        [
            &b"X"[..],
            &(text.len() as u32).to_le_bytes(),
            text.as_bytes(),
        ]
        .concat()
    }

    fn whole(n: i64) -> Vec<u8> {
        [&[0x8a, 8][..], &n.to_le_bytes()].concat()
    }

    fn tuple(parts: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
        let parts: Vec<_> = parts.into_iter().collect();
        [b"(".to_vec(), parts.concat(), b"t".to_vec()].concat()
    }

    /// A float32 tensor that views storage `0` of `count` elements.
    fn tensor(count: i64, offset: i64, shape: &[i64], stride: &[i64]) -> Vec<u8> {
        let wholes = |list: &[i64]| tuple(list.iter().map(|n| whole(*n)));
        let storage = tuple([
            text("storage"),
            b"ctorch\nFloatStorage\n".to_vec(),
            text("0"),
            text("cpu"),
            whole(count),
        ]);
        let arguments = tuple([
            [storage, b"Q".to_vec()].concat(),
            whole(offset),
            wholes(shape),
            wholes(stride),
            b"\x89".to_vec(),
            b"N".to_vec(),
        ]);
        [
            b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec(),
            arguments,
            b"R".to_vec(),
        ]
        .concat()
    }

    fn dict(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let items = items.iter().map(|(k, v)| [text(k), v.clone()].concat());
        [
            b"}(".to_vec(),
            items.collect::<Vec<_>>().concat(),
            b"u".to_vec(),
        ]
        .concat()
    }

    fn pickled(value: Vec<u8>) -> Vec<u8> {
        [b"\x80\x02".to_vec(), value, b".".to_vec()].concat()
    }

    fn view(count: i64, offset: i64, shape: &[i64], stride: &[i64]) -> Vec<u8> {
        pickled(dict(&[("w", tensor(count, offset, shape, stride))]))
    }

    #[test]
    fn the_builder_makes_what_the_reader_reads() {
        let pickle = view(4, 1, &[3], &[1]);
        let tensors = read_bytes(&archive(&pickle, &[7; 16])).unwrap();
        assert_eq!(
            (tensors[0].spec.name.as_str(), tensors[0].bytes.as_slice()),
            ("w", &[7; 12][..])
        );
    }

    #[test]
    fn views_beyond_their_storage_are_refused() {
        for pickle in [
            view(4, 2, &[3], &[1]),
            view(4, 0, &[2, 2], &[4, 1]),
            view(4, 0, &[3], &[i64::MAX]),
            view(4, i64::MAX, &[1], &[1]),
            view(4, 0, &[i64::MAX, i64::MAX], &[0, 0]),
            view(4, 0, &[i64::MAX, i64::MAX, 0], &[0, 0, 0]),
        ] {
            let message = refused(&pickle, CORRUPT);
            assert!(
                message.contains("tensor w reaches beyond its storage"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_storage_smaller_or_larger_than_claimed_is_refused() {
        assert!(refused(&view(1 << 40, 0, &[1 << 40], &[1]), CORRUPT).contains("tensor w"));
        assert!(refused(&view(8, 0, &[8], &[1]), CORRUPT).contains("claims 32"));
        assert!(refused(&view(2, 0, &[2], &[1]), CORRUPT).contains("claims 16"));
    }

    #[test]
    fn negative_sizes_offsets_and_strides_are_refused() {
        for pickle in [
            view(-4, 0, &[4], &[1]),
            view(4, -1, &[4], &[1]),
            view(4, 0, &[-4], &[1]),
            view(4, 3, &[4], &[-1]),
            view(4, 0, &[4], &[1, 1]),
            view(4, 0, &[1; 65], &[1; 65]),
        ] {
            refused(&pickle, CORRUPT);
        }
    }

    #[test]
    fn stride_zero_cannot_make_a_small_file_huge() {
        let message = refused(&view(4, 0, &[1 << 40], &[0]), CORRUPT);
        assert!(message.contains("repeats a small storage"), "{message}");
    }

    #[test]
    fn every_way_to_name_a_function_is_refused() {
        for (code, name) in [
            (&b"cos\nsystem\n(X\x04\x00\x00\x00true"[..], "os.system"),
            (
                b"\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R",
                "os.system",
            ),
            (b"cbuiltins\neval\n", "builtins.eval"),
            (b"ctorch\nload\n", "torch.load"),
            (
                b"ctorch.storage\n_load_from_bytes\n",
                "torch.storage._load_from_bytes",
            ),
            (
                b"ccollections\nOrderedDict.__init__.__globals__\n",
                "collections.OrderedDict.__init__",
            ),
            (b"cos\\x0a\nsystem\x1b[2J\n", "system\\u{1b}[2J"),
        ] {
            let message = refused(&pickled(code.to_vec()), UNSUPPORTED);
            assert!(
                message.contains(name) && message.contains("would run code"),
                "{message}"
            );
        }
        // INST, OBJ, EXT1, PERSID, NEWOBJ_EX, GET: opcodes that torch.save never writes.
        for opcode in [
            &b"(ios\nsystem\n"[..],
            b"(o",
            b"\x82\x01",
            b"P0\n",
            b"\x92",
            b"g0\n",
        ] {
            assert!(refused(&pickled(opcode.to_vec()), CORRUPT).contains("opcode"));
        }
    }

    #[test]
    fn calls_with_wrong_arguments_are_refused() {
        for code in [
            &b"NNR"[..],
            b"ccollections\nOrderedDict\n(NtR",
            b"ctorch\nFloatStorage\n)R",
            b"ctorch\nSize\n)R",
            b"ctorch._utils\n_rebuild_tensor_v2\n)R",
            b"NQ",
            b"(NNNNNtQ",
            b"X\x01\x00\x00\x00aNa",
            b"]NNs",
            b"}(Nu",
        ] {
            refused(&pickled(code.to_vec()), CORRUPT);
        }
    }

    #[test]
    fn unbalanced_pickles_are_refused() {
        for code in [
            &b""[..],
            b".",
            b"t.",
            b"(0.",
            b"R.",
            b"\x85.",
            b"h\x00.",
            b"q\x00.",
            b"}",
            b"X\xff\xff\xff\xff.",
        ] {
            refused(code, CORRUPT);
        }
    }

    /// Neither depth costs stack, nor sharing time: both grow with the opcodes alone.
    #[test]
    fn bombs_of_depth_and_of_sharing_are_harmless() {
        let deep = [b")".to_vec(), vec![0x85; 900_000]].concat();
        refused(&pickled(deep), CORRUPT);
        // t = (t, t), sixty times over.
        let doubling = [b")q\x00".to_vec(), b"0h\x00h\x00\x86q\x00".repeat(60)].concat();
        refused(&pickled(doubling), CORRUPT);
        // Dicts of a thousand names for one child, ten levels deep: 10^30 paths.
        let mut level = b"}q\x00".to_vec();
        for _ in 0..10 {
            level.extend(b"0}(");
            for name in 0..1000 {
                level.extend(text(&format!("{name}")));
                level.extend(b"h\x00");
            }
            level.extend(b"uq\x00");
        }
        assert!(refused(&pickled(level), CORRUPT).contains("too many names"));
        // A dict that holds itself.
        let cycle = [b"}q\x00".to_vec(), text("a"), b"h\x00s".to_vec()].concat();
        assert!(refused(&pickled(cycle), CORRUPT).contains("nest deeper"));
    }

    #[test]
    fn more_values_than_any_checkpoint_has_are_refused() {
        let message = refused(&pickled(vec![b'}'; (1 << 20) + 1]), CORRUPT);
        assert!(message.contains("more than 1048576 values"), "{message}");
    }

    #[test]
    fn names_given_twice_are_refused() {
        let w = || tensor(4, 0, &[4], &[1]);
        let twice = dict(&[("a.w", w()), ("a", dict(&[("w", w())]))]);
        assert!(refused(&pickled(twice), CORRUPT).contains("two tensors are named a.w"));
    }

    #[test]
    fn archives_without_tensors_say_what_to_save() {
        let plain_zip = archive(&pickled(dict(&[("epoch", whole(3))])), &[]);
        assert!(refusal(read_bytes(&plain_zip), CORRUPT).contains("holds no tensors"));
        refused(&pickled(tensor(4, 0, &[4], &[1])), CORRUPT);
        let mut other = ZipWriter::new(Cursor::new(Vec::new()));
        other
            .start_file("readme.txt", SimpleFileOptions::default())
            .unwrap();
        let other = other.finish().unwrap().into_inner();
        assert!(refusal(read_bytes(&other), CORRUPT).contains("without data.pkl"));
    }

    /// The sizes in the central directory, raised to what no file holds.
    #[test]
    fn an_entry_that_claims_gigabytes_is_not_believed() {
        let honest = archive(&view(4, 0, &[4], &[1]), &[0; 16]);
        let directory = honest.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
        for field in [20, 24] {
            let mut bytes = honest.clone();
            bytes[directory + field..][..4].copy_from_slice(&0xf000_0000u32.to_le_bytes());
            refusal(read_bytes(&bytes), CORRUPT);
        }
        let mut both = honest;
        both[directory + 20..][..8].copy_from_slice(&[0xf0; 8]);
        assert!(refusal(read_bytes(&both), CORRUPT).contains("claims 4042322160 bytes"));
    }

    #[test]
    fn a_big_endian_archive_is_refused() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in [("x/byteorder", &b"big"[..]), ("x/data.pkl", b"}.")] {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        let bytes = zip.finish().unwrap().into_inner();
        assert!(refusal(read_bytes(&bytes), UNSUPPORTED).contains("big-endian"));
    }
}
