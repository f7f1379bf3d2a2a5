//! Reads a CloudFormation template: YAML whose tags (`!Ref`, `!Sub`, …) are functions.
//!
//! A tag is turned into the long form that CloudFormation defines for it, so that the rest of the
//! code sees plain JSON: `!Ref Queue` becomes `{"Ref": "Queue"}`, `!GetAtt Queue.Arn` becomes
//! `{"Fn::GetAtt": ["Queue", "Arn"]}`.

use granit_parser::{Event, Parser, ScalarStyle, StrInput, Tag};
use serde_json::{Map, Value, json};

/// Why a template could not be read.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// Not YAML at all.
    #[error("the template is not valid YAML")]
    Syntax(#[from] granit_parser::ScanError),
    /// YAML that CloudFormation does not take.
    #[error("line {line}: {what}")]
    Unsupported {
        /// Line in the file, from 1.
        line: usize,
        /// What stands there.
        what: &'static str,
    },
}

/// The first document of `text` as JSON, functions in their long form.
///
/// # Errors
///
/// Text that is not YAML, has an alias (CloudFormation refuses those) or a mapping key that is not
/// text.
pub(super) fn parse(text: &str) -> Result<Value, YamlError> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        line: 1,
    };
    loop {
        match reader.next()? {
            Some(Event::StreamStart | Event::DocumentStart(..)) => {}
            Some(event) => return reader.node(event),
            None => return Ok(Value::Null),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    line: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<Event<'a>>, YamlError> {
        for item in self.parser.by_ref() {
            let (event, span) = item?;
            self.line = span.start.line();
            #[allow(
                clippy::single_match_else,
                unreachable_patterns,
                reason = "comments are events only when another crate switches that feature on"
            )]
            match event {
                Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(..)
                | Event::DocumentEnd
                | Event::Alias(_)
                | Event::UnresolvedAlias(_)
                | Event::Scalar(..)
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingStart(..)
                | Event::MappingEnd => return Ok(Some(event)),
                _ => {}
            }
        }
        Ok(None)
    }

    fn unsupported(&self, what: &'static str) -> YamlError {
        YamlError::Unsupported {
            line: self.line,
            what,
        }
    }

    fn node(&mut self, event: Event<'a>) -> Result<Value, YamlError> {
        match event {
            Event::Scalar(text, style, _, tag) => Ok(match tag {
                Some(tag) if !tag.is_yaml_core_schema() => {
                    function(&tag, Value::String(text.into_owned()))
                }
                _ if style == ScalarStyle::Plain => plain(&text),
                _ => Value::String(text.into_owned()),
            }),
            Event::SequenceStart(_, _, tag) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        Some(Event::SequenceEnd) => break,
                        Some(event) => items.push(self.node(event)?),
                        None => return Err(self.unsupported("the file ends inside a list")),
                    }
                }
                Ok(tagged(tag.as_deref(), Value::Array(items)))
            }
            Event::MappingStart(_, _, tag) => {
                let mut entries = Map::new();
                loop {
                    match self.next()? {
                        Some(Event::MappingEnd) => break,
                        Some(Event::Scalar(key, ..)) => {
                            let Some(event) = self.next()? else {
                                return Err(self.unsupported("the file ends inside a mapping"));
                            };
                            let value = self.node(event)?;
                            if entries.insert(key.into_owned(), value).is_some() {
                                return Err(self.unsupported("a key stands twice in a mapping"));
                            }
                        }
                        _ => return Err(self.unsupported("a mapping key must be text")),
                    }
                }
                Ok(tagged(tag.as_deref(), Value::Object(entries)))
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                Err(self.unsupported("CloudFormation takes no aliases"))
            }
            _ => Err(self.unsupported("a value is missing")),
        }
    }
}

fn tagged(tag: Option<&Tag>, value: Value) -> Value {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() => function(tag, value),
        _ => value,
    }
}

/// The long form of a short-form function.
fn function(tag: &Tag, argument: Value) -> Value {
    match (tag.suffix(), argument) {
        (name @ ("Ref" | "Condition"), argument) => json!({ name: argument }),
        ("GetAtt", Value::String(path)) => {
            let (resource, attribute) = path.split_once('.').unwrap_or((&path, ""));
            json!({ "Fn::GetAtt": [resource, attribute] })
        }
        (name, argument) => json!({ format!("Fn::{name}"): argument }),
    }
}

/// The value of an unquoted scalar by YAML's core schema.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => {
            if let Ok(number) = text.parse::<i64>() {
                Value::from(number)
            } else if let Some(number) = text
                .starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.')
                .then(|| text.parse::<f64>().ok())
                .flatten()
            {
                Value::from(number)
            } else {
                Value::String(text.to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_functions_become_their_long_form() {
        let value = parse(
            "A: !Ref Queue\nB: !GetAtt Queue.Arn\nC: !If [Yes, !Ref Yes, !Ref AWS::NoValue]\n\
             D: !Sub https://${Api}.example\nE: {F: !Not [!Equals [!Ref X, '']]}\n",
        )
        .unwrap();
        assert_eq!(
            value,
            json!({
                "A": {"Ref": "Queue"},
                "B": {"Fn::GetAtt": ["Queue", "Arn"]},
                "C": {"Fn::If": ["Yes", {"Ref": "Yes"}, {"Ref": "AWS::NoValue"}]},
                "D": {"Fn::Sub": "https://${Api}.example"},
                "E": {"F": {"Fn::Not": [{"Fn::Equals": [{"Ref": "X"}, ""]}]}},
            })
        );
    }

    #[test]
    fn only_unquoted_scalars_are_typed() {
        let value =
            parse("a: 300\nb: \"300\"\nc: true\nd: 'true'\ne: ~\nf: 1.5\ng: >-\n  12\nh: -x\n")
                .unwrap();
        assert_eq!(
            value,
            json!({"a": 300, "b": "300", "c": true, "d": "true", "e": null, "f": 1.5,
                   "g": "12", "h": "-x"})
        );
    }

    #[test]
    fn what_cloudformation_refuses_is_refused_with_its_line() {
        let alias = parse("a: &x 1\nb: *x\n").unwrap_err().to_string();
        assert_eq!(alias, "line 2: CloudFormation takes no aliases");
        let twice = parse("a: 1\na: 2\n").unwrap_err().to_string();
        assert_eq!(twice, "line 2: a key stands twice in a mapping");
        assert!(parse("a: [1").is_err());
    }
}
