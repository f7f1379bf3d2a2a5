//! Reads and writes forms of models that are generated from a schema.

use proptest::prelude::*;
use serde_json::{Value, json};
use stafett_core::{schema::Schema, xml};
use uuid::Uuid;

use super::Model;

fn model() -> Model {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": { "soknad": { "$ref": "#/$defs/soknad" } },
        "$defs": {
            "soknad": {
                "type": "object", "required": ["tittel"],
                "properties": {
                    "tittel": { "type": "string" }, "antall": { "type": "integer" }, "merknad": { "type": ["string", "null"] },
                    "frist": { "type": "string", "format": "date" },
                    "vedtak": { "type": "array", "items": { "$ref": "#/$defs/vedtak" } }, "ja": { "type": "boolean" },
                    "kort-navn": { "type": "string" }
                }
            },
            "vedtak": { "type": "object", "properties": { "kode": { "type": "string" }, "areal": { "type": "number" } } }
        }
    });
    Model::compile("melding", schema).unwrap()
}

#[test]
fn a_pattern_that_is_not_understood_keeps_no_form_from_being_read() {
    let schema =
        json!({"properties": {"kode": {"type": "string", "pattern": r"^[a-z-[aeiou]]\i$"}}});
    let model = Model::compile("melding", schema).unwrap();
    let form = model
        .read_xml(b"<melding><kode>b</kode></melding>")
        .unwrap();
    assert_eq!(model.to_json(&form, false)["kode"], "b");
}

fn json_of(xml: &str) -> Value {
    let model = model();
    model.to_json(&model.read_xml(xml.as_bytes()).unwrap(), false)
}

fn xml_of(json: &Value) -> String {
    let model = model();
    String::from_utf8(model.to_xml(&model.read_value(json).unwrap()).to_vec()).unwrap()
}

#[test]
fn schemas_made_from_an_xsd_give_models() {
    let schema = json!({
        "type": "object",
        "oneOf": [{ "$ref": "#/$defs/Skjema" }],
        "$defs": {
            "Grunnlag": { "type": "object", "properties": { "id": { "const": 7 }, "navn": { "type": "string" } } },
            "Skjema": {
                "type": "object",
                "allOf": [
                    { "$ref": "#/$defs/Grunnlag" },
                    { "properties": { "slag": { "enum": ["a", "b"] }, "del": { "$ref": "#/$defs/Grunnlag" } } }
                ]
            }
        }
    });
    let model = Model::compile("Skjema", schema).unwrap();
    let form = json!({"id": 7, "navn": "N", "slag": "b", "del": {"id": 7, "navn": null}});
    let form = model.read_value(&form).unwrap();
    let xml = String::from_utf8(model.to_xml(&form).to_vec()).unwrap();
    assert!(
        xml.contains("<id>7</id><navn>N</navn><slag>b</slag><del><id>7</id>"),
        "{xml}"
    );
}

#[test]
fn xml_becomes_typed_json_with_nulls_and_lists() {
    let xml = "<?xml version=\"1.0\" encoding=\"utf-8\"?><melding><soknad><tittel>Oppf&#248;lging &amp; mer</tittel><antall>3</antall>\
               <vedtak><kode>A1</kode></vedtak><vedtak><kode>B7</kode><areal>12.5</areal></vedtak></soknad></melding>";
    assert_eq!(
        json_of(xml),
        json!({"soknad": {"tittel": "Oppfølging & mer", "antall": 3, "merknad": null, "frist": null,
            "vedtak": [{"kode": "A1", "areal": null}, {"kode": "B7", "areal": 12.5}], "ja": null, "kort-navn": null}})
    );
}

#[test]
fn after_an_element_out_of_order_all_later_ones_of_its_parent_are_lost() {
    for stray in ["<tittel>for sent</tittel>", "<ukjent/>"] {
        let xml = format!(
            "<melding><soknad><tittel>a</tittel><antall>3</antall>{stray}<merknad>borte</merknad></soknad></melding>"
        );
        let json = json_of(&xml);
        assert_eq!(json["soknad"]["tittel"], "a");
        assert_eq!(json["soknad"]["antall"], 3);
        assert_eq!(json["soknad"]["merknad"], Value::Null, "{stray}");
    }
}

#[test]
fn a_stored_document_has_the_order_of_the_schema_and_omits_nulls() {
    let xml = xml_of(
        &json!({"soknad": {"vedtak": [{"kode": "A"}, {"kode": "B"}], "tittel": "x < y", "frist": "2026-08-22", "ja": true}}),
    );
    assert_eq!(
        xml,
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><melding xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><soknad><tittel>x &lt; y</tittel><antall xsi:nil=\"true\" /><frist>2026-08-22</frist>\
         <vedtak><kode>A</kode></vedtak><vedtak><kode>B</kode></vedtak><ja>true</ja></soknad></melding>"
    );
}

#[test]
fn any_text_is_unchanged_by_a_round_trip_through_xml() {
    let model = model();
    for text in ["", " ", "æøå “ 🏗️ & < > ' \"", "a\nb\tc", "]]>"] {
        let form = model.read_value(&json!({"soknad": {"tittel": text, "antall": -4, "vedtak": [{"kode": text, "areal": 0.1}]}})).unwrap();
        assert!(
            model.read_xml(&model.to_xml(&form)).unwrap() == form,
            "{text:?}"
        );
    }
}

#[test]
fn documents_that_dotnet_refuses_are_refused() {
    for xml in [
        "",
        "ikke xml",
        "<model><soknad/></model>",
        "<melding xmlns=\"urn:other\"><soknad/></melding>",
        "<melding><soknad></melding>",
        "<melding/><melding/>",
        "<melding><soknad><antall>tre</antall></soknad></melding>",
        "<melding><soknad><antall></antall></soknad></melding>",
        "<melding><soknad><ja>ja</ja></soknad></melding>",
        "<melding><soknad><tittel><b>fet</b></tittel></soknad></melding>",
        "<melding><soknad><tittel>\u{1}</tittel></soknad></melding>",
        "<melding><soknad><tittel>&nbsp;</tittel></soknad></melding>",
    ] {
        assert!(model().read_xml(xml.as_bytes()).is_err(), "{xml:?}");
    }
    assert!(model().read_xml(&[b'<', b'm', 0xff]).is_err());
}

#[test]
fn characters_that_xml_cannot_contain_are_replaced_on_writing() {
    assert!(
        xml_of(&json!({"soknad": {"tittel": "a\u{0}b\u{fffe}"}}))
            .contains("<tittel>a\u{fffd}b\u{fffd}</tittel>")
    );
}

#[test]
fn rows_have_ids_only_until_these_are_removed() {
    let model = model();
    let id = Uuid::from_u128(7);
    let mut form = model
        .read_value(&json!({"soknad": {"vedtak": [{"kode": "A"}]}}))
        .unwrap();
    model.add_row_ids(&mut form, || id);
    assert!(
        String::from_utf8_lossy(&model.to_xml(&form))
            .contains(&format!("<vedtak altinnRowId=\"{id}\">"))
    );
    let read_again = model.read_xml(&model.to_xml(&form)).unwrap();
    assert_eq!(
        model.to_json(&read_again, true)["soknad"]["vedtak"][0]["altinnRowId"],
        id.to_string()
    );
    assert_eq!(
        model.to_json(&read_again, false)["soknad"]["vedtak"][0].get("altinnRowId"),
        None
    );
    model.remove_row_ids(&mut form);
    assert!(!String::from_utf8_lossy(&model.to_xml(&form)).contains("altinnRowId"));
}

#[test]
fn prefill_ignores_unknown_paths_and_refuses_wrong_values() {
    let model = model();
    let mut form = model.empty();
    model
        .prefill(&mut form, "Soknad.TITTEL", "a", false)
        .unwrap();
    model
        .prefill(&mut form, "soknad.tittel", "b", false)
        .unwrap();
    model
        .prefill(&mut form, "soknad.kortnavn", "c", false)
        .unwrap();
    model
        .prefill(&mut form, "soknad.finnes.ikke", "d", false)
        .unwrap();
    model
        .prefill(&mut form, "soknad.vedtak.kode", "e", false)
        .unwrap();
    assert!(
        model
            .prefill(&mut form, "soknad.antall", "tre", false)
            .is_err()
    );
    let json = model.to_json(&form, false);
    assert_eq!(
        (
            json["soknad"]["tittel"].as_str(),
            json["soknad"]["kort-navn"].as_str()
        ),
        (Some("a"), Some("c"))
    );
    assert_eq!(json["soknad"]["vedtak"], json!([]));
}

#[test]
fn violations_name_fields_and_contain_no_values() {
    let model = model();
    let form = model
        .read_value(&json!({"soknad": {"merknad": "hemmelig"}}))
        .unwrap();
    let violations = model.violations(&form);
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].0, "soknad");
    assert!(
        violations[0].1.contains("tittel") && !violations[0].1.contains("hemmelig"),
        "{violations:?}"
    );
}

fn model_of(schema: Value) -> Model {
    Model::compile("melding", schema).unwrap()
}

fn stored(model: &Model, xml: &str) -> String {
    let form = model.read_xml(xml.as_bytes()).unwrap();
    let stored = String::from_utf8(model.to_xml(&form).to_vec()).unwrap();
    let root = stored.find("<melding").unwrap();
    stored[root..].replace(
        " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"",
        "",
    )
}

#[test]
fn attributes_and_text_content_of_a_schema_are_read_and_written_as_such() {
    let contact = |attribute: Value| {
        json!({"properties": {
        "kontakt": {"$ref": "#/$defs/kontakt"}},
        "$defs": {"kontakt": {"type": "object", "@xsdType": "XmlSimpleContentExtension", "properties": {
            "value": {"type": "string", "@xsdText": true},
            "orid": attribute,
        }}}})
    };
    for attribute in [
        json!({"type": "string", "@xsdAttribute": true, "@xsdType": "string", "const": "19022"}),
        json!({"type": "string", "@xsdType": "XmlAttribute", "const": "19022"}),
    ] {
        let model = model_of(contact(attribute));
        let xml = "<melding><kontakt orid=\"7\">a &quot;b&quot;</kontakt></melding>";
        assert_eq!(
            stored(&model, xml),
            "<melding><kontakt orid=\"7\">a \"b\"</kontakt></melding>"
        );
        let form = model
            .read_xml(b"<melding><kontakt>a</kontakt></melding>")
            .unwrap();
        assert_eq!(
            model.to_json_text(&form, false),
            r#"{"kontakt":{"orid":"19022","value":"a"}}"#
        );
        // A value in a child element is lost without an error.
        let xml = "<melding><kontakt><value>a</value></kontakt></melding>";
        assert_eq!(
            stored(&model, xml),
            "<melding><kontakt orid=\"19022\" /></melding>"
        );
    }
}

#[test]
fn the_root_of_an_older_schema_refers_to_the_class_of_the_model() {
    let class = json!({"type": "object", "properties": {"navn": {"type": "string"}, "sum": {"type": "number"}}});
    for schema in [
        json!({"info": {"rootNode": "#/definitions/Skjema"}, "properties": {"Skjema": {"$ref": "#/definitions/Skjema"}}, "definitions": {"Skjema": class}}),
        json!({"info": {"meldingsnavn": "melding"}, "properties": {"melding": {"$ref": "#/definitions/Skjema"}}, "definitions": {"Skjema": class}}),
        json!({"properties": {"melding": {"$ref": "#/definitions/Skjema"}}, "definitions": {"Skjema": class}}),
        json!({"type": "object", "oneOf": [{"$ref": "#/$defs/Skjema"}], "$defs": {"Skjema": class}}),
    ] {
        let model = model_of(schema);
        let xml = "<melding><navn>K</navn><sum>24.50</sum></melding>";
        assert_eq!(stored(&model, xml), xml);
    }
}

#[test]
fn the_range_of_a_whole_number_follows_its_xsd_type() {
    let field =
        |xsd: &str| model_of(json!({"properties": {"n": {"type": "integer", "@xsdType": xsd}}}));
    for (xsd, number, is_taken) in [
        ("int", "2147483648", false),
        ("long", "2147483648", true),
        ("long", "9223372036854775808", false),
        ("short", "32768", false),
        ("positiveInteger", "79228162514264337593543950335", true),
    ] {
        let xml = format!("<melding><n>{number}</n></melding>");
        let read = field(xsd).read_xml(xml.as_bytes());
        assert_eq!(read.is_ok(), is_taken, "{xsd} {number}");
    }
}

#[test]
fn numbers_in_json_keep_every_digit_both_ways() {
    let model = model();
    for (given, kept) in [
        ("24.50", "24.50"),
        (
            "79228162514264337593543950335",
            "79228162514264337593543950335",
        ),
        (
            "0.1234567890123456789012345678",
            "0.1234567890123456789012345678",
        ),
        ("-1.5e3", "-1500"),
        ("15E-2", "0.15"),
        ("1e-7", "0.0000001"),
        ("1E+3", "1000"),
        ("-0", "0"),
        ("1e-100", "0.0000000000000000000000000000"),
        ("\"7.10\"", "7.10"),
    ] {
        let json = format!(r#"{{"soknad":{{"vedtak":[{{"areal":{given}}}]}}}}"#);
        let form = model.read_json(json.as_bytes()).unwrap();
        let text = model.to_json_text(&form, false);
        assert!(
            text.contains(&format!("\"areal\":{kept}}}")),
            "{given}: {text}"
        );
    }
    for refused in ["79228162514264337593543950336", "1e400", "\"1e\"", "true"] {
        let json = format!(r#"{{"soknad":{{"vedtak":[{{"areal":{refused}}}]}}}}"#);
        assert!(model.read_json(json.as_bytes()).is_err(), "{refused}");
    }
}

#[test]
fn an_error_without_values_contains_none() {
    let model = model();
    let error = |xml: &str| model.read_xml(xml.as_bytes()).err().unwrap();
    let refused = error("<melding><soknad><antall>hemmelig</antall></soknad></melding>");
    assert!(refused.to_string().contains("'hemmelig'"));
    assert_eq!(
        refused.without_values(),
        "line 1, column 45: a value that the model cannot hold"
    );
    let broken = error("<melding><soknad>");
    assert_eq!(broken.without_values(), broken.to_string());
}

/// A form with a number, in JSON as A's app gives it, and then in B's: checked against the schema, sent as XML, and read by B.
fn relayed(field: &Value, number: &str) -> String {
    let document = json!({"properties": {"n": field}});
    let schema = Schema::compile(document.clone(), "model.schema.json").unwrap();
    let draft = serde_json::from_str(&format!(r#"{{"n":{number}}}"#)).unwrap();
    assert_eq!(schema.violations(&draft, true), [], "{number}");
    let sent = xml::write("melding", Some(&schema), &schema.ordered(draft.clone())).unwrap();
    let model = Model::compile("melding", document).unwrap();
    let form = model.read_xml(sent.as_bytes()).unwrap();
    let json = model.to_json(&form, false);
    let text = model.to_json_text(&form, false);
    assert_eq!(text.replace('E', "e"), json.to_string());
    text.strip_prefix(r#"{"n":"#)
        .and_then(|rest| rest.strip_suffix('}'))
        .unwrap()
        .to_owned()
}

#[test]
fn a_whole_number_beyond_64_bits_reaches_b() {
    let field = json!({"type": "integer", "@xsdType": "positiveInteger"});
    for (given, stored) in [
        ("18446744073709551616", "18446744073709551616"),
        (
            "79228162514264337593543950335",
            "79228162514264337593543950335",
        ),
        ("3.00", "3"),
        ("1E+28", "10000000000000000000000000000"),
    ] {
        assert_eq!(relayed(&field, given), stored);
    }
}

proptest! {
    #[test]
    fn any_decimal_of_28_digits_reaches_b_digit_by_digit(
        sign in "-?", digits in "[1-9][0-9]{0,27}", decimals in 0..=28_usize
    ) {
        let digits = format!("{digits:0>width$}", width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let point = if decimals == 0 { "" } else { "." };
        let number = format!("{sign}{whole}{point}{fraction}");
        prop_assert_eq!(relayed(&json!({"type": "number"}), &number), number);
    }

    #[test]
    fn any_decimal_with_an_exponent_reaches_b_as_the_same_number(mantissa in 1..=u64::MAX, exponent in -28..9_i32) {
        let number = format!("{mantissa}e{exponent}");
        let digits = format!("{mantissa:0>29}");
        let decimals = usize::try_from(-exponent).unwrap_or_default();
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let whole = match whole.trim_start_matches('0') {
            "" => "0".to_owned(),
            whole => format!("{whole}{}", "0".repeat(usize::try_from(exponent).unwrap_or_default())),
        };
        let point = if decimals == 0 { "" } else { "." };
        prop_assert_eq!(relayed(&json!({"type": "number"}), &number), format!("{whole}{point}{fraction}"));
    }

    #[test]
    fn any_double_reaches_b_as_the_app_of_a_writes_it(value in proptest::num::f64::NORMAL) {
        let field = json!({"type": "number", "@xsdType": "double"});
        let given = model_of(json!({"properties": {"n": field.clone()}}));
        let form = given.read_json(format!(r#"{{"n":{value:e}}}"#).as_bytes()).unwrap();
        let given = given.to_json_text(&form, false);
        let number = given.trim_start_matches(r#"{"n":"#).trim_end_matches('}');
        prop_assert_eq!(relayed(&field, number), number);
    }

    #[test]
    fn any_text_is_read_or_refused_without_panic(document in ".{0,80}") {
        let _ = model().read_xml(document.as_bytes());
    }

    #[test]
    fn any_markup_is_read_or_refused_without_panic(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "<melding>", "</melding>", "<soknad>", "</soknad>", "<tittel>", "</tittel>", "<tittel/>", "<!--", "-->", "<![CDATA[",
                "]]>", "&", "&a;", "&#1;", "&#xD800;", ";", "<?", "?>", "<!DOCTYPE a [<!ENTITY a \"&a;&b;\">", "<!ENTITY", "]>", "\"", "'",
                "=", " ", "x", "\u{feff}", "xmlns:a=\"b\"", "<a:b", ">", "/>", "\r\n", "æ", "😀",
            ]),
            0..14,
        )
    ) {
        let document = pieces.concat();
        let _ = model().read_xml(document.as_bytes());
    }

    #[test]
    fn any_text_that_xml_can_contain_is_read_back(title in "[ -~æøå\t\n\r😀]{0,40}", code in "[ -~\"'&<>]{0,12}") {
        let model = model();
        let given = json!({"soknad": {"tittel": title, "vedtak": [{"kode": code}]}});
        let form = model.read_value(&given).unwrap();
        let again = model.read_xml(&model.to_xml(&form)).unwrap();
        proptest::prop_assert_eq!(model.to_json_text(&again, true), model.to_json_text(&form, true));
    }
}
