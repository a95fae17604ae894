//! Truncated files, flipped bits, and files of other kinds.

use crate::*;

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
