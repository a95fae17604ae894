//! Archives around pickles made by hand: views that lie, code, bombs.

use crate::*;
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
    // A thousand names for one dict of a hundred thousand entries without names.
    let wide = |child: &[u8]| {
        [
            b"}(".to_vec(),
            [b"K\x00", child].concat().repeat(100_000),
            b"u".to_vec(),
        ]
        .concat()
    };
    let children = [wide(b"N"), b"q\x00".to_vec()].concat();
    let many: Vec<_> = (0..1000)
        .map(|i| (format!("{i}"), b"h\x00".to_vec()))
        .collect();
    let many: Vec<_> = many.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    let shared = [children, b"0".to_vec(), dict(&many)].concat();
    assert!(refused(&pickled(shared), CORRUPT).contains("too many names"));
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
fn an_optimizers_moments_are_no_weights() {
    let w = || tensor(4, 0, &[4], &[1]);
    let state = dict(&[("w", dict(&[("exp_avg", w())]))]);
    let optimizer = dict(&[("state", state), ("param_groups", b"]".to_vec())]);
    let pickle = pickled(dict(&[
        ("net", dict(&[("w", w())])),
        ("optimizer", optimizer),
    ]));
    let tensors = read_bytes(&archive(&pickle, &[0; 16])).unwrap();
    assert_eq!(tensors.len(), 1);
    assert_eq!(tensors[0].spec.name, "net.w");
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
