//! The file name extension of a media type.

/// The extension under which files of a media type are known. `bin` for one that is not in the list.
///
/// The list has what Altinn's apps usually admit as attachments. When an element is added to an instance, B compares its media
/// type with the one that its extension stands for (Altinn/app-lib-dotnet: src/Altinn.App.Core/Helpers/MimeTypeMap.cs).
pub(super) fn extension(media_type: &str) -> &'static str {
    let plain = media_type.split(';').next().unwrap_or_default();
    let plain = plain.trim().to_ascii_lowercase();
    let known = EXTENSIONS.iter().find(|(known, _)| *known == plain);
    known.map_or("bin", |(_, extension)| extension)
}

/// Media types and their extensions.
const EXTENSIONS: &[(&str, &str)] = &[
    ("application/pdf", "pdf"),
    ("application/xml", "xml"),
    ("text/xml", "xml"),
    ("application/json", "json"),
    ("text/plain", "txt"),
    ("text/csv", "csv"),
    ("text/html", "html"),
    ("text/markdown", "md"),
    ("text/calendar", "ics"),
    ("application/rtf", "rtf"),
    ("text/rtf", "rtf"),
    ("application/msword", "doc"),
    ("application/vnd.ms-word.document.macroenabled.12", "docm"),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "docx",
    ),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.ms-excel.sheet.macroenabled.12", "xlsm"),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xlsx",
    ),
    ("application/vnd.ms-powerpoint", "ppt"),
    (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "pptx",
    ),
    ("application/vnd.ms-outlook", "msg"),
    ("message/rfc822", "eml"),
    ("application/vnd.oasis.opendocument.text", "odt"),
    ("application/vnd.oasis.opendocument.spreadsheet", "ods"),
    ("application/vnd.oasis.opendocument.presentation", "odp"),
    ("application/vnd.oasis.opendocument.graphics", "odg"),
    ("application/zip", "zip"),
    ("application/x-zip-compressed", "zip"),
    ("application/x-7z-compressed", "7z"),
    ("application/gzip", "gz"),
    ("application/x-tar", "tar"),
    ("application/vnd.etsi.asic-e+zip", "asice"),
    ("image/jpeg", "jpg"),
    ("image/jpg", "jpg"),
    ("image/png", "png"),
    ("image/gif", "gif"),
    ("image/bmp", "bmp"),
    ("image/tiff", "tiff"),
    ("image/webp", "webp"),
    ("image/heic", "heic"),
    ("image/heif", "heif"),
    ("image/svg+xml", "svg"),
    ("application/geo+json", "geojson"),
    ("application/gml+xml", "gml"),
    ("application/vnd.google-earth.kml+xml", "kml"),
    ("application/vnd.google-earth.kmz", "kmz"),
    ("image/vnd.dwg", "dwg"),
    ("image/vnd.dxf", "dxf"),
    ("audio/mpeg", "mp3"),
    ("audio/mp4", "m4a"),
    ("audio/wav", "wav"),
    ("video/mp4", "mp4"),
    ("video/quicktime", "mov"),
    ("video/webm", "webm"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_media_type_is_known_in_any_case_and_with_parameters() {
        for (media_type, expected) in EXTENSIONS {
            let written = format!("{} ; charset=utf-8", media_type.to_uppercase());
            assert_eq!(extension(&written), *expected);
        }
        for unknown in ["", ";", "application/octet-stream", "application/x-unknown"] {
            assert_eq!(extension(unknown), "bin", "{unknown}");
        }
        let types: BTreeSet<_> = EXTENSIONS
            .iter()
            .map(|(media_type, _)| media_type)
            .collect();
        assert_eq!(types.len(), EXTENSIONS.len(), "one stands there twice");
    }
}
