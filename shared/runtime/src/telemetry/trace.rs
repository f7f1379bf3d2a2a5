//! Trace headers.

use std::fmt;

/// A trace header of AWS X-Ray, `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=…;Sampled=1`. It connects the log
/// lines of one relay across the functions and the queue.
///
/// Callers may write anything into this header, so only the fields that name the trace are kept, and only if they
/// are well-formed (AWS X-Ray Developer Guide, "Tracing header").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace(String);

impl Trace {
    /// Reads a header; `None` if it names no trace.
    #[must_use]
    pub fn read(header: &str) -> Option<Self> {
        let field = |name: &str, is_in_form: fn(&str) -> bool| {
            let mut named = header.split(';').map(str::trim).filter(|field| {
                let value = field.strip_prefix(name);
                value.is_some_and(is_in_form)
            });
            named.next()
        };
        let fields = [
            Some(field("Root=", is_trace_id)?),
            field("Parent=", |value| is_hex(value, 16)),
            field("Sampled=", |value| matches!(value, "0" | "1" | "?")),
        ];
        let fields: Vec<&str> = fields.into_iter().flatten().collect();
        Some(Self(fields.join(";")))
    }

    /// The header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `1-`, the time in 8 hexadecimal digits, `-`, and 24 more.
fn is_trace_id(text: &str) -> bool {
    let Some((time, unique)) = text.strip_prefix("1-").and_then(|id| id.split_once('-')) else {
        return false;
    };
    is_hex(time, 8) && is_hex(unique, 24)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str =
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    #[test]
    fn a_trace_header_is_kept_as_it_came() {
        assert_eq!(Trace::read(HEADER).unwrap().as_str(), HEADER);
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
        assert_eq!(Trace::read(root).unwrap().to_string(), root);
        assert_eq!(Trace::read("Parent=53995c3f42cd8ad8;Sampled=1"), None);
        assert_eq!(Trace::read(&root.replace('9', "g")), None);
    }

    proptest! {
        #[test]
        fn nothing_that_a_caller_adds_to_a_trace_header_is_passed_on(name in "\\PC{0,12}", text in "\\PC{0,40}") {
            prop_assume!(!["Root", "Parent", "Sampled"].contains(&name.trim()));
            let _ = Trace::read(&text);
            for header in [
                format!("{HEADER};{name}={text}hemmelig"),
                format!("{name}=hemmelig{text};{HEADER}"),
                format!("hemmelig;{HEADER};Root=hemmelig;Sampled=hemmelig"),
            ] {
                let trace = Trace::read(&header).unwrap();
                prop_assert_eq!(trace.as_str().split(';').count(), 3, "{}", trace);
                prop_assert!(!trace.as_str().contains("hemmelig"));
            }
        }
    }
}
