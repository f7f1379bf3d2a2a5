//! Percent-encoding.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

/// All but the unreserved characters of a URL (RFC 3986, section 2.3), which a header's extended parameter may hold as
/// well (RFC 8187, section 3.2.1).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The filename to send, so that Storage stores `filename`: it decodes names twice, and reads `+` as a space (measured,
/// tests/recorded/app-data-post-filename-twice.json).
pub(super) fn sent_filename(filename: &str) -> String {
    filename.replace('%', "%2525").replace('+', "%252B")
}

/// `text` for a query or for an extended parameter of a header.
pub(super) fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}
