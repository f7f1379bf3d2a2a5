//! Parts of the JSON schema of a route file, with which editors complete and check the file.
//!
//! Generated from the types that read the file.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::file::RouteFile;

/// The JSON schema (draft 2020-12) of a route file.
#[must_use]
pub fn file_schema() -> Value {
    SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<RouteFile>()
        .to_value()
}

#[cfg(test)]
mod tests {
    use crate::route::file_schema;

    #[test]
    fn every_field_of_every_group_is_described() {
        let schema = file_schema();
        let groups = std::iter::once(&schema).chain(
            schema["$defs"]
                .as_object()
                .into_iter()
                .flat_map(|it| it.values()),
        );
        for group in groups {
            for (name, field) in group["properties"].as_object().into_iter().flatten() {
                let described = field.get("description").is_some() || field.get("$ref").is_some();
                assert!(described, "{name}: {field}");
            }
        }
    }
}
