//! The schemas by which B's forms are checked and ordered.

use std::fmt;

use stafett_core::{
    forms::Forms,
    id::AppId,
    preflight::{TargetApp, form_of},
    route::{FormRule, Target},
};

/// The schemas by which B's forms are checked and ordered. `Display` says which ones, the further forms by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemasInUse(Forms<SchemaInUse>);

impl SchemasInUse {
    /// The schemas of a route, with what B's app tells of itself where that is at hand.
    pub(crate) fn of(to: &Target, b: Option<&TargetApp>) -> Self {
        let of = |rule: &FormRule| SchemaInUse::of(&to.app, rule, b);
        Self(to.forms.as_ref().map(of))
    }

    /// Whether one is known.
    pub(crate) fn is_known(&self) -> bool {
        self.0.iter().any(|schema| schema.which != Which::Unknown)
    }
}

impl fmt::Display for SchemasInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.main)?;
        for further in &self.0.further {
            let form = further.data_type.as_deref().unwrap_or_default();
            write!(f, "; `{form}` {further}")?;
        }
        Ok(())
    }
}

/// The schema by which a form of B is checked and ordered. `Display` says which one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SchemaInUse {
    /// The form's data type, where the route names it.
    data_type: Option<String>,
    /// The field of the route that names a file: `to.schema`.
    says: String,
    which: Which,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    /// The one that B's app serves.
    Served {
        /// B.
        app: AppId,
        /// Its form.
        form: String,
        /// [`stafett_core::schema::Schema::digest`].
        digest: String,
        /// Whether the route names a file, which is not used.
        is_beside_a_file: bool,
    },
    /// The file that the route names.
    File {
        /// [`stafett_core::schema::Schema::digest`].
        digest: String,
        /// What it is used instead of.
        instead_of: BServes,
    },
    /// None.
    Unknown,
}

/// What B's app serves where the file is used that the route names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BServes {
    /// It is not known what B's app serves.
    Unknown,
    /// B's app serves none.
    Nothing,
    /// The one that B's app serves cannot be used.
    Unusable,
}

impl SchemaInUse {
    fn of(app: &AppId, rule: &FormRule, b: Option<&TargetApp>) -> Self {
        Self {
            data_type: rule.data_type.clone(),
            says: rule.says("schema"),
            which: Which::of(app, rule, b),
        }
    }
}

impl Which {
    fn of(app: &AppId, rule: &FormRule, b: Option<&TargetApp>) -> Self {
        let served = b.and_then(|b| {
            let form = form_of(rule, &b.metadata)?;
            Some((form, b.schemas.get(&form.id)?))
        });
        let instead_of = match served {
            Some((form, Ok(schema))) => {
                return Self::Served {
                    app: app.clone(),
                    form: form.id.clone(),
                    digest: schema.digest().to_owned(),
                    is_beside_a_file: rule.schema.is_some(),
                };
            }
            Some((_, Err(_))) => BServes::Unusable,
            None if b.is_some() => BServes::Nothing,
            None => BServes::Unknown,
        };
        match &rule.schema {
            Some(schema) => Self::File {
                digest: schema.digest().to_owned(),
                instead_of,
            },
            None => Self::Unknown,
        }
    }
}

impl fmt::Display for SchemaInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = &self.says;
        match &self.which {
            Which::Served {
                app,
                form,
                digest,
                is_beside_a_file,
            } => {
                write!(f, "by the schema {digest} of {app}'s form `{form}`")?;
                if *is_beside_a_file {
                    write!(f, "; {says} is not used, and can be removed")?;
                }
                Ok(())
            }
            Which::File { digest, instead_of } => {
                write!(f, "by the schema {digest} in {says}")?;
                f.write_str(match instead_of {
                    BServes::Unknown => "; if B's app serves one, that one counts",
                    BServes::Nothing => ", as B's app has none",
                    BServes::Unusable => ", as the one of B's app cannot be used",
                })
            }
            Which::Unknown => {
                f.write_str("by no schema: names, types and order of its fields are not checked")
            }
        }
    }
}
