//! Headers that lie.

use crate::*;

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
    let overflow = r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#;
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
