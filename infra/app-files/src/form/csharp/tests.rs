//! Classes from C#.

use super::*;

const CONTRACT: &str =
    include_str!("../../../../../tests/recorded/apps/contract/App/models/model.cs");

fn classes(source: &str, class: &str) -> Option<Classes> {
    let mut models = CsharpModels::default();
    models.add(source);
    models.classes(class)
}

#[test]
fn a_generated_class_gives_order_names_xml_parts_and_nullability() {
    let classes = classes(CONTRACT, "Kinds").unwrap();
    let root = classes.class(0);
    assert!(root.ordered);
    let named = |json: &str| root.properties.iter().find(|one| one.json == json).unwrap();
    assert_eq!(named("antall").kind, Kind::Int32);
    assert!(named("antall").nillable && !named("antall").omits_default);
    assert!(named("belop").nillable && named("belop").omits_default);
    assert!(named("rad").list);
    let Kind::Class(content) = named("innhold").kind else {
        panic!("innhold is a class");
    };
    let places: Vec<_> = classes
        .class(content)
        .properties
        .iter()
        .map(|one| (one.xml.as_str(), one.place, one.initial.clone()))
        .collect();
    assert_eq!(
        places,
        [
            ("orid", Place::Attribute, Value::Text("1234".to_owned())),
            ("sprak", Place::Attribute, Value::Null),
            ("value", Place::Text, Value::Null),
        ]
    );
}

#[test]
fn the_order_attribute_decides_and_not_the_order_of_declaration() {
    let source = r#"public class M {
        // [XmlElement("c", Order = 0)] is a comment
        [XmlElement("b", Order = 2)] public string B { get; set; }
        [XmlElement(ElementName = "a", Order = 1)] public decimal? A { get; set; }
        public bool ShouldSerializeA() { return A.HasValue; }
    }"#;
    let classes = classes(source, "M").unwrap();
    let elements: Vec<_> = classes
        .class(0)
        .elements()
        .map(|(_, one)| one.xml.as_str())
        .collect();
    assert_eq!(elements, ["a", "b"]);
}

#[test]
fn a_class_that_is_not_understood_gives_none() {
    let member = |member: &str| format!("public class M {{ {member} }}");
    assert!(classes(&member("public string A { get; set; }"), "M").is_some());
    for unknown in [
        "public string A;",
        "public string A { get; set { } }",
        "public string A { get; }",
        "public string[] A { get; set; }",
        "[XmlArray(\"a\")] public List<string> A { get; set; }",
        "[XmlIgnore] public string A { get; set; }",
        "[XmlElement(\"a\", Namespace = \"urn:a\")] public string A { get; set; }",
        "[XmlElement(\"a\", DataType = \"time\")] public DateTime A { get; set; }",
        "[XmlAttribute(\"a\")] public int? A { get; set; }",
        "public Other A { get; set; }",
        "public Dictionary<string, string> A { get; set; }",
        "public int? A { get; set; } public bool ShouldSerializeA() => A > 3;",
    ] {
        assert!(classes(&member(unknown), "M").is_none(), "{unknown}");
    }
    assert!(
        classes(
            "public class M : Base { public string A { get; set; } }",
            "M"
        )
        .is_none()
    );
    assert!(classes("public class M { public string A { get; set; }", "N").is_none());
}

#[test]
fn json_names_are_camel_case_as_in_dotnet() {
    let names = [
        ("URLValue", "urlValue"),
        ("Navn", "navn"),
        ("ID", "id"),
        ("navn", "navn"),
    ];
    for (name, json) in names {
        assert_eq!(camel_case(name), json);
    }
}

proptest::proptest! {
    #[test]
    fn any_source_is_parsed_without_panic(source in r#"(public class M \{|\}|\{|\[XmlElement\("a"\)\]|List<|>|get;|set;|"|'|/\*|\*/|=|;| ){0,20}"#) {
        let _ = classes(&source, "M");
    }
}
