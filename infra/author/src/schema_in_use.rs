//! The schema by which B's form is checked and ordered.

use std::fmt;

use stafett_core::{
    id::AppId,
    preflight::{TargetApp, form_of},
    route::Target,
};

/// The schema by which B's form is checked and ordered. `Display` says which one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SchemaInUse {
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
        /// Whether it is known that B's app serves none that can be used.
        is_last_resort: bool,
    },
    /// None.
    Unknown,
}

impl SchemaInUse {
    /// The schema of a route, with what B's app tells of itself where that is at hand.
    pub(crate) fn of(to: &Target, b: Option<&TargetApp>) -> Self {
        if let Some(b) = b
            && let Some(form) = form_of(to, &b.metadata)
            && let Some(Ok(schema)) = b.schemas.get(&form.id)
        {
            return Self::Served {
                app: to.app.clone(),
                form: form.id.clone(),
                digest: schema.digest().to_owned(),
                is_beside_a_file: to.schema.is_some(),
            };
        }
        match &to.schema {
            Some(schema) => Self::File {
                digest: schema.digest().to_owned(),
                is_last_resort: b.is_some(),
            },
            None => Self::Unknown,
        }
    }

    pub(crate) fn is_known(&self) -> bool {
        *self != Self::Unknown
    }
}

impl fmt::Display for SchemaInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Served {
                app,
                form,
                digest,
                is_beside_a_file,
            } => {
                write!(f, "by the schema {digest} of {app}'s form `{form}`")?;
                if *is_beside_a_file {
                    f.write_str("; to.schema is not used, and can be removed")?;
                }
                Ok(())
            }
            Self::File {
                digest,
                is_last_resort: true,
            } => write!(
                f,
                "by the schema {digest} in to.schema, as B's app has none"
            ),
            Self::File { digest, .. } => write!(
                f,
                "by the schema {digest} in to.schema; if B's app serves one, that one counts"
            ),
            Self::Unknown => {
                f.write_str("by no schema: names, types and order of its fields are not checked")
            }
        }
    }
}
