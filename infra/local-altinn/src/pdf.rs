//! Writes receipts as PDF: A4, Helvetica, plain lines of text.

use bytes::Bytes;
use serde_json::Value;

const LINES_PER_PAGE: usize = 52;
const LONGEST_LINE: usize = 95;

/// Adds a line for every value of a form, indented by depth.
pub(crate) fn describe(value: &Value, indent: &str, lines: &mut Vec<String>) {
    let Value::Object(object) = value else { return };
    for (name, value) in object {
        match value {
            Value::Null => {}
            Value::Object(_) => {
                lines.push(format!("{indent}{name}"));
                describe(value, &format!("{indent}    "), lines);
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let title = format!("{indent}{name} {}", index + 1);
                    match item {
                        Value::Object(_) => {
                            lines.push(title);
                            describe(item, &format!("{indent}    "), lines);
                        }
                        item => lines.push(format!("{title}: {}", plain(item))),
                    }
                }
            }
            value => lines.push(format!("{indent}{name}: {}", plain(value))),
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(
        || value.to_string(),
        |text| text.replace(['\n', '\r', '\t'], " "),
    )
}

/// A PDF 1.4 document with a title and lines of text.
pub(crate) fn document(title: &str, lines: &[String]) -> Bytes {
    let mut pages: Vec<Vec<&str>> = vec![Vec::new()];
    for line in lines {
        for piece in pieces(line) {
            if pages
                .last()
                .is_some_and(|page| page.len() == LINES_PER_PAGE)
            {
                pages.push(Vec::new());
            }
            if let Some(page) = pages.last_mut() {
                page.push(piece);
            }
        }
    }
    // Objects: 1 is the catalog, 2 the page tree, 3 the font; then each page is followed by its content.
    let kids: Vec<String> = (0..pages.len())
        .map(|index| format!("{} 0 R", 4 + 2 * index))
        .collect();
    let mut objects: Vec<Vec<u8>> = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!(
            "<< /Type /Pages /Kids [{}] /Count {} >>",
            kids.join(" "),
            pages.len()
        )
        .into_bytes(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_vec(),
    ];
    for (index, page) in pages.iter().enumerate() {
        let content = 5 + 2 * index;
        objects.push(
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents {content} 0 R >>"
            )
            .into_bytes(),
        );
        let mut stream = b"BT /F1 16 Tf 50 790 Td (".to_vec();
        stream.extend(text_of(title));
        stream.extend(b") Tj /F1 10 Tf 0 -28 Td 13.5 TL\n");
        for line in page {
            stream.push(b'(');
            stream.extend(text_of(line));
            stream.extend(b") Tj T*\n");
        }
        stream.extend(b"ET");
        let mut object = format!("<< /Length {} >>\nstream\n", stream.len()).into_bytes();
        object.extend(stream);
        object.extend(b"\nendstream");
        objects.push(object);
    }
    let mut pdf = b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n".to_vec();
    let mut offsets = Vec::with_capacity(objects.len());
    for (index, object) in objects.iter().enumerate() {
        offsets.push(pdf.len());
        pdf.extend(format!("{} 0 obj\n", index + 1).bytes());
        pdf.extend(object);
        pdf.extend(b"\nendobj\n");
    }
    let table = pdf.len();
    pdf.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).bytes());
    for offset in offsets {
        pdf.extend(format!("{offset:010} 00000 n \n").bytes());
    }
    let size = objects.len() + 1;
    pdf.extend(
        format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n").bytes(),
    );
    Bytes::from(pdf)
}

fn pieces(line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some((cut, _)) = rest.char_indices().nth(LONGEST_LINE) {
        let (piece, tail) = rest.split_at(cut);
        pieces.push(piece);
        rest = tail;
    }
    pieces.push(rest);
    pieces
}

/// The content of a PDF string in WinAnsi encoding. Other characters become `?`.
fn text_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '(' | ')' | '\\' => bytes.extend([b'\\', char as u8]),
            ' '..='~' | '\u{a0}'..='\u{ff}' => bytes.push(char as u8),
            '\u{2013}' => bytes.push(0x96),
            '\u{2014}' => bytes.push(0x97),
            '\u{2018}' => bytes.push(0x91),
            '\u{2019}' => bytes.push(0x92),
            '\u{201c}' => bytes.push(0x93),
            '\u{201d}' => bytes.push(0x94),
            '\u{20ac}' => bytes.push(0x80),
            _ => bytes.push(b'?'),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_is_at_its_offset_in_the_table() {
        let lines: Vec<String> = (0..120)
            .map(|index| format!("linje {index} (blåbær)"))
            .collect();
        let pdf = document("Tittel \\ test", &lines);
        assert!(pdf.starts_with(b"%PDF-1.4"));
        let text: Vec<char> = pdf.iter().map(|byte| *byte as char).collect();
        let from = |offset: usize| text[offset..].iter().collect::<String>();
        let all = from(0);
        let (_, end) = all.rsplit_once("startxref\n").unwrap();
        let table = from(end.lines().next().unwrap().parse().unwrap());
        assert!(table.starts_with("xref\n"));
        let entries = table.lines().filter(|line| line.ends_with(" n "));
        let offsets: Vec<usize> = entries.map(|line| line[..10].parse().unwrap()).collect();
        assert_eq!(offsets.len(), 3 + 2 * 3, "three pages");
        for (index, offset) in offsets.iter().enumerate() {
            assert!(
                from(*offset).starts_with(&format!("{} 0 obj\n", index + 1)),
                "object {}",
                index + 1
            );
        }
    }
}
