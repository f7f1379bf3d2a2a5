//! What a route's expressions see of A, as its schemas tell.

use std::collections::BTreeMap;

use serde_json::Value;
use stafett_core::{
    id::AppId,
    language::{Surroundings, types::Type},
    schema::shape::FormSchema,
};

use crate::check::words::{known, nearest};
use app_files::AppFiles;

/// The schemas of A's instance and, where A's files are available, of its forms.
pub(super) struct SourceSchemas<'a> {
    instance: FormSchema<'a>,
    a: Option<&'a AppFiles>,
    forms: BTreeMap<&'a str, FormSchema<'a>>,
}

impl<'a> SourceSchemas<'a> {
    /// The schemas of a route's A, whose instances have this schema.
    pub(super) fn new(instance: &'a Value, a: Option<&'a AppFiles>) -> Self {
        let schemas = a.into_iter().flat_map(|a| &a.schemas);
        Self {
            instance: FormSchema::new(instance),
            a,
            forms: schemas
                .map(|(data_type, schema)| (data_type.as_str(), FormSchema::new(schema)))
                .collect(),
        }
    }

    /// A, where its files are available.
    pub(super) fn app(&self) -> Option<&AppId> {
        self.a.map(|a| &a.id)
    }

    /// Whether A may have several forms of a type; `data` has a list then.
    pub(super) fn may_be_several(&self, data_type: &str) -> bool {
        let Some(a) = self.a else { return false };
        let types = &a.metadata.data_types;
        types
            .iter()
            .any(|it| it.id == data_type && it.max_count != 1)
    }

    /// What is wrong with a data type that an expression reads.
    pub(super) fn data_type(
        &self,
        data_type: &str,
    ) -> Option<(&'static str, String, Option<String>, Option<String>)> {
        let a = self.a?;
        let types = &a.metadata.data_types;
        let forms = || {
            types
                .iter()
                .filter(|it| it.is_data())
                .map(|it| it.id.as_str())
        };
        let help = format!("the forms and the JSON of {} are {}", a.id, known(forms()));
        match types.iter().find(|it| it.id == data_type) {
            Some(found) if found.is_data() => None,
            Some(_) => Some((
                "no-form",
                format!(
                    "`{data_type}` of {} is an attachment, and neither a form nor JSON whose fields could be read",
                    a.id
                ),
                Some(help),
                None,
            )),
            None => Some((
                "data-type",
                format!("{} has no data type `{data_type}`", a.id),
                Some(help),
                nearest(data_type, forms()).map(str::to_owned),
            )),
        }
    }

    /// What the route's expressions see, as far as A's files tell.
    pub(super) fn surroundings<'s>(&'s self) -> Surroundings<'s, 'a> {
        let instance = Type::given(&self.instance, &self.instance.root(), false);
        let names = vec![
            ("instance".to_owned(), instance),
            ("data".to_owned(), self.data()),
        ];
        Surroundings {
            names,
            facts: Vec::new(),
        }
    }

    /// A's forms by data type, and its JSON, of which nothing is known.
    fn data<'s>(&'s self) -> Type<'s, 'a> {
        let Some(a) = self.a else {
            return Type::unknown();
        };
        let forms = a.metadata.data_types.iter().filter(|it| it.is_data());
        let forms = forms.map(|data_type| {
            let id = data_type.id.as_str();
            let form = match self.forms.get(id) {
                Some(form) => Type::given(form, &form.root(), false),
                None => Type::unknown(),
            };
            let form = if self.may_be_several(id) {
                Type::list(form, 0, None)
            } else {
                form
            };
            (id.to_owned(), form)
        });
        Type::group(forms.collect())
    }
}
