//! A try-out for people to read.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::{Judgement, Part, Preview, TryOut};

/// Columns that a field's name takes.
const NAME: usize = 13;

pub(super) fn write(out: &TryOut) -> String {
    let mut text = format!(
        "{}: {} of {} → {}\n\n",
        out.route, out.instance, out.from, out.to
    );
    let gate = match out.gate.open_since {
        Some(since) => format!("open since {since} (waits until {})", out.gate.waits_for),
        None => format!(
            "closed: A's process stands {}, the route waits until {}. Nothing would be sent now.",
            out.gate.stands, out.gate.waits_for
        ),
    };
    line(&mut text, "gate", &gate);
    line(&mut text, "checked", &out.schema);
    if out.refusal.is_none() && out.parts.is_empty() {
        line(
            &mut text,
            "relays",
            "none: the list of `each` has no values, so no B would be made",
        );
    }
    for (index, part) in out.parts.iter().enumerate() {
        if out.parts.len() > 1 {
            let _ = write!(text, "\n── {} of {}\n", index + 1, out.parts.len());
        }
        write_part(&mut text, part, out);
    }
    for fields in &out.prefilled {
        line(&mut text, "prefill", fields);
    }
    for missing in &out.not_compared {
        line(&mut text, "not compared", missing);
    }
    for step in &out.then {
        line(&mut text, "then", step);
    }
    text
}

fn write_part(text: &mut String, part: &Part, out: &TryOut) {
    if let Some(key) = &part.key {
        line(text, "key", key);
    }
    line(text, "relay", &part.relay);
    if let Some(b) = &part.b {
        write_b(text, b);
    }
    let verdict = match (part.verdict, part.findings.len()) {
        (Judgement::Taken, _) if out.not_compared.is_empty() => {
            "B's files have nothing against it: it would be sent".to_owned()
        }
        (Judgement::Taken, _) => {
            "nothing was found against it, and not everything was compared (see below)".to_owned()
        }
        (Judgement::NotJudged, _) => {
            "not judged: B's metadata or its form's schema is not at hand (name the folder of its files with --apps)"
                .to_owned()
        }
        (Judgement::Refused, 0) => {
            "not to be sent: the route has an error that `check` finds, too (see the finding)".to_owned()
        }
        (Judgement::Refused, 1) => "refused: nothing would be sent (see the finding)".to_owned(),
        (Judgement::Refused, n) => format!("refused: nothing would be sent (see the {n} findings)"),
    };
    line(text, "verdict", &verdict);
}

fn write_b(text: &mut String, b: &Preview) {
    line(text, "owner", &owner(&b.owner));
    if let Some(due) = b.due {
        line(text, "due", &due.to_string());
    }
    if let Some(form_type) = &b.form_type {
        line(text, "form", form_type);
    }
    for form in &b.forms {
        line(text, "form", &form.form_type);
    }
    for attachment in &b.attachments {
        let words = format!(
            "{} → {}: {} ({}, {} bytes)",
            attachment.from,
            attachment.to,
            attachment.filename,
            attachment.content_type,
            attachment.size
        );
        line(text, "attachment", &words);
    }
    for (key, value) in &b.stamps {
        line(text, "stamp", &format!("{key} = {value}"));
    }
    write_form(text, "model", &b.model, b.xml.as_deref());
    if let Some(prefill) = &b.prefill {
        let json = serde_json::to_string_pretty(prefill).unwrap_or_default();
        let _ = write!(text, "as it is sent\n{json}\n\n");
    }
    for form in &b.forms {
        let title = format!("model of `{}`", form.form_type);
        write_form(text, &title, &form.model, form.xml.as_deref());
    }
}

fn write_form(text: &mut String, title: &str, model: &Map<String, Value>, xml: Option<&str>) {
    // A map of JSON values always serialises.
    let json = serde_json::to_string_pretty(model).unwrap_or_default();
    let _ = write!(text, "\n{title}\n{json}\n\n");
    if let Some(xml) = xml {
        let _ = write!(text, "as it is sent\n{xml}\n\n");
    }
}

/// `organisationNumber 310075728`.
fn owner(template: &Value) -> String {
    let fields = template.as_object().into_iter().flatten();
    let words = fields.map(|(kind, number)| {
        let number = number
            .as_str()
            .map_or_else(|| number.to_string(), str::to_owned);
        format!("{kind} {number}")
    });
    words.collect::<Vec<_>>().join(", ")
}

fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name:NAME$}{value}");
}
