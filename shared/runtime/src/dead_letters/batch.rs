//! What fits into one call to SQS.

use std::ops::Range;

use super::letter::DeadLetter;

/// The most messages that one call may carry (Amazon SQS API Reference).
pub const BATCH: usize = 10;
/// The most bytes of bodies in one call (Amazon SQS API Reference, SendMessageBatch, before 2025; some endpoints still
/// keep this limit). A single message may be larger, and is then sent alone.
const BATCH_BYTES: usize = 256 * 1024;

/// Divides a list whose members have these sizes into parts that each fit into one call, with at most `most`
/// members.
fn parts(sizes: impl Iterator<Item = usize>, most: usize) -> Vec<Range<usize>> {
    let most = most.clamp(1, BATCH);
    let (mut parts, mut start, mut bytes, mut end) = (Vec::new(), 0, 0, 0);
    for size in sizes {
        if end > start && (end - start == most || bytes + size > BATCH_BYTES) {
            parts.push(start..end);
            (start, bytes) = (end, 0);
        }
        bytes += size;
        end += 1;
    }
    if end > start {
        parts.push(start..end);
    }
    parts
}

/// Divides `letters` into slices that each fit into one call of [`super::DeadLetters::send_back`], with at most `most`
/// letters.
pub fn batches(letters: &[DeadLetter], most: usize) -> impl Iterator<Item = &[DeadLetter]> {
    parts(letters.iter().map(DeadLetter::size), most)
        .into_iter()
        .filter_map(|part| letters.get(part))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn every_part_fits_into_one_call_and_no_member_is_left_out(
            sizes in vec(0usize..400_000, 0..60), most in 0usize..20,
        ) {
            let parts = parts(sizes.iter().copied(), most);
            let all: Vec<usize> = parts.iter().cloned().flatten().collect();
            prop_assert_eq!(all, (0..sizes.len()).collect::<Vec<_>>());
            for part in parts {
                let length = part.len();
                prop_assert!((1..=most.clamp(1, 10)).contains(&length));
                let bytes: usize = sizes[part].iter().sum();
                prop_assert!(length == 1 || bytes <= 256 * 1024);
            }
        }
    }
}
