//! Continuation tokens: `{ticks};{internal id}`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use testbed::clock::ticks;

use crate::store::{Place, Row};

/// The token for the page after this row. It has the time of the document, but Storage compares it with the column.
pub(super) fn token_after(row: &Row) -> String {
    let instance = &row.instance;
    format!("{};{}", ticks(instance.last_changed), instance.internal_id)
}

/// The place in the order of the list that a token stands for.
pub(super) fn read_token(ticks: &str, id: &str) -> Option<Place> {
    let microseconds = (ticks.parse::<i128>().ok()? - 621_355_968_000_000_000).div_euclid(10);
    Some((i64::try_from(microseconds).ok()?, id.parse().ok()?))
}

/// Decodes a token that was encoded up to twice. The framework has already decoded the query once.
pub(super) fn decode_twice(token: &str) -> String {
    let once = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    once(&once(token))
}

/// A token as Storage writes it into a link: encoded twice.
pub(super) fn encode_token(token: &str) -> String {
    encode(&encode(token).to_lowercase())
}

pub(super) fn encode(text: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use super::decode_twice;

    #[test]
    fn a_token_may_be_encoded_up_to_twice() {
        for token in ["1;2", "1%3b2", "1%253b2"] {
            assert_eq!(decode_twice(token), "1;2");
        }
    }
}
