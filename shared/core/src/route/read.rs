//! Reads a route from its file.

use std::path::Path;

use super::{
    Route,
    error::{Mistake, RouteError},
    file, lower,
};

/// How many bytes a route file has at most.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// Reads one route file.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn read(path: &Path) -> Result<Route, Vec<RouteError>> {
    let whole = |mistake, problem: String| vec![RouteError::new(path, mistake, problem)];
    let unreadable =
        |error: std::io::Error| whole(Mistake::Unreadable, format!("cannot be read: {error}"));
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    // A pipe or a device may never come to an end.
    if !metadata.is_file() {
        let problem = "cannot be read: it is no file with text in it";
        return Err(whole(Mistake::Unreadable, problem.into()));
    }
    let size = metadata.len();
    if size > MAX_BYTES {
        return Err(whole(
            Mistake::TooLarge,
            format!("has {size} bytes, a route file has {MAX_BYTES} at most"),
        ));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        vec![RouteError {
            range: Some(at..at + 1),
            ..RouteError::new(
                path,
                Mistake::NotText,
                format!("is not UTF-8 text (byte {at})"),
            )
        }]
    })?;
    let file = file::parse(path, &text).map_err(|error| vec![*error])?;
    lower::route(path, &text, file)
}
