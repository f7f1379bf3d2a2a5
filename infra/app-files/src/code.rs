//! An app's C# project. The code is never run: it gives the XML root elements of the models, and each file with code of
//! the app's own is reported as unsupported.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use regex::Regex;

use crate::{error::AppFilesError, layout, text, unsupported::Unsupported};

/// How many levels of folders are searched in a C# project.
const MAX_DEPTH: usize = 12;
/// Folders with build output, packages or static web files.
const SKIPPED_FOLDERS: [&str; 5] = ["bin", "obj", "node_modules", "wwwroot", "ui"];

static CLASS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        (?: \[ \s* XmlRoot (?:Attribute)? \s* \( (?<root> [^)]* ) \) \s* \] \s* (?: \[ [^\]]* \] \s* )* )?
        (?: \b (?: public | internal | sealed | partial | abstract ) \s+ )+ class \s+ (?<class> \w+ )
        \s* (?: \( [^)]* \) \s* )? (?: : \s* (?<bases> [^{;]+ ) )?"#,
    )
    .ok()
});
static ELEMENT_NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"^\s*(?:(?:ElementName|elementName)\s*[=:]\s*)?"([^"]+)""#).ok());
static REGISTRATION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"services\s*\.\s*Add\w+\s*<\s*([^>(]+)>").ok());

/// What was found in an app's C#.
#[derive(Debug, Default)]
pub(super) struct Code {
    /// XML root element by class.
    roots: BTreeMap<String, String>,
    pub(super) unsupported: Vec<Unsupported>,
}

impl Code {
    /// The XML root element of a class. A class without `XmlRoot` uses its own name, as .NET's `XmlSerializer` does.
    pub(super) fn root(&self, class: &str) -> Option<String> {
        self.roots.get(class).cloned()
    }

    /// Reads the `.cs` files of a C# project.
    pub(super) fn read(project: &Path) -> Result<Self, AppFilesError> {
        let mut files = Vec::new();
        collect(project, MAX_DEPTH, &mut files)?;
        let models = project.join("models");
        let mut code = Self::default();
        for file in files {
            let source = text::read(&file)?;
            let classes = classes(&source);
            if file.starts_with(&models) {
                for class in classes {
                    let root = class.root.unwrap_or(class.name);
                    code.roots
                        .entry(class.name.to_owned())
                        .or_insert(root.to_owned());
                }
                continue;
            }
            let what = if file.ends_with("Program.cs") {
                registrations(&source)
            } else {
                let bases = classes.iter().filter_map(|class| class.bases);
                let bases: Vec<&str> = bases.map(str::trim).collect();
                Some(match &bases[..] {
                    [] => "C# is not run here".to_owned(),
                    bases => format!("C# is not run here: {}", bases.join(", ")),
                })
            };
            if let Some(what) = what {
                code.add_unsupported(file, what);
            }
        }
        Ok(code)
    }

    fn add_unsupported(&mut self, file: PathBuf, what: String) {
        let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
        self.unsupported.push(Unsupported { file, what });
    }
}

/// The services that a `Program.cs` registers. The template's own registers none this way.
fn registrations(source: &str) -> Option<String> {
    let registered: Vec<&str> = REGISTRATION
        .as_ref()?
        .captures_iter(source)
        .filter_map(|found| found.get(1))
        .map(|found| found.as_str().trim())
        .collect();
    (!registered.is_empty())
        .then(|| format!("C# is not run here: registers {}", registered.join("; ")))
}

/// A class declaration.
struct Class<'s> {
    name: &'s str,
    root: Option<&'s str>,
    bases: Option<&'s str>,
}

fn classes(source: &str) -> Vec<Class<'_>> {
    let Some(pattern) = CLASS.as_ref() else {
        return Vec::new();
    };
    pattern
        .captures_iter(source)
        .filter_map(|found| {
            let root = found.name("root").and_then(|arguments| {
                Some(
                    ELEMENT_NAME
                        .as_ref()?
                        .captures(arguments.as_str())?
                        .get(1)?
                        .as_str(),
                )
            });
            Some(Class {
                name: found.name("class")?.as_str(),
                root,
                bases: found.name("bases").map(|bases| bases.as_str()),
            })
        })
        .collect()
}

/// Collects the `.cs` files of a folder and of its subfolders.
fn collect(folder: &Path, deeper: usize, files: &mut Vec<PathBuf>) -> Result<(), AppFilesError> {
    for path in layout::entries(folder)? {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() {
            if deeper > 0 && !SKIPPED_FOLDERS.contains(&name) {
                collect(&path, deeper - 1, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "cs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_element_of_a_class_comes_from_its_attribute() {
        let source = r#"
            namespace Altinn.App.Models
            {
              [XmlRoot(ElementName="melding", Namespace = "")]
              [Serializable]
              public class Skjema { public string navn { get; set; } }

              [XmlRoot("vedlegg")] public sealed partial class Vedlegg {}
              public class Person {}
            }"#;
        let roots: Vec<_> = classes(source)
            .iter()
            .map(|class| (class.name, class.root))
            .collect();
        assert_eq!(
            roots,
            [
                ("Skjema", Some("melding")),
                ("Vedlegg", Some("vedlegg")),
                ("Person", None)
            ]
        );
    }

    #[test]
    fn registered_services_are_reported_and_the_template_registers_none() {
        assert_eq!(
            registrations(
                "void Register(IServiceCollection services) { services.AddSwaggerGen(c => {}); }"
            ),
            None
        );
        let told = registrations("services.AddTransient<IInstantiationProcessor, Prefill>();");
        assert!(
            told.unwrap()
                .ends_with("registers IInstantiationProcessor, Prefill")
        );
    }
}
