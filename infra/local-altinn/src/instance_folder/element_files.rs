//! Finds the file of each data element in an instance folder.
//!
//! A file is named after its element's id, the element's file name in Storage, or its data type. The id takes precedence, because
//! several elements may have the same name, and a name may have characters that the file system does not allow. Each file belongs to
//! at most one element.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value;
use stafett_core::tolerant::field;

/// The file of a folder that holds the instance itself.
pub(crate) const INSTANCE_FILE: &str = "instance.json";

/// The preferred extensions of a file that is named after its data type, in order.
const EXTENSIONS: [&str; 3] = ["xml", "json", "pdf"];

/// A data element whose file is looked for.
struct WantedFile<'v> {
    id: Option<&'v str>,
    filename: Option<&'v str>,
    data_type: &'v str,
    file: Option<PathBuf>,
}

/// The files of a folder's elements.
pub struct ElementFiles<'v> {
    elements: Vec<WantedFile<'v>>,
    /// The files that belong to no element yet, sorted.
    free: Vec<PathBuf>,
}

impl<'v> ElementFiles<'v> {
    /// Finds the file of each element. The elements are given as in `instance.json`.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn find(folder: &Path, elements: &'v [Value]) -> io::Result<Self> {
        let mut free = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_file() && path.file_name() != Some(OsStr::new(INSTANCE_FILE)) {
                free.push(path);
            }
        }
        free.sort();
        let text = |element: &'v Value, name: &str| {
            let text = field(element, name).as_str();
            text.filter(|text| !text.is_empty())
        };
        let wanted = elements.iter().map(|element| WantedFile {
            id: text(element, "id"),
            filename: text(element, "filename"),
            data_type: text(element, "dataType").unwrap_or_default(),
            file: None,
        });
        let mut files = Self {
            elements: wanted.collect(),
            free,
        };
        for index in 0..files.elements.len() {
            files.take_by_id(index);
        }
        for index in 0..files.elements.len() {
            files.take_by_filename(index);
        }
        for index in 0..files.elements.len() {
            files.take_by_data_type(index);
        }
        Ok(files)
    }

    /// The file of an element.
    #[must_use]
    pub fn of(&self, index: usize) -> Option<&Path> {
        self.elements.get(index)?.file.as_deref()
    }

    /// Tells how the file of an element may be named.
    #[must_use]
    pub fn names(&self, index: usize) -> String {
        let Some(element) = self.elements.get(index) else {
            return String::new();
        };
        let by_id = element.id.map(|id| format!("`{id}` with any extension"));
        let by_name = element.filename.filter(|_| self.is_only(index, same_name));
        let by_name = by_name.map(|name| format!("`{name}`"));
        let by_type = self.is_only(index, same_type);
        let by_type = by_type.then(|| format!("`{}.xml`, `.json` or `.pdf`", element.data_type));
        let names: Vec<String> = by_id.into_iter().chain(by_name).chain(by_type).collect();
        if names.is_empty() {
            return "give the element an `id`, and name its file after it".to_owned();
        }
        format!("name it {}", names.join(" or "))
    }

    fn take_by_id(&mut self, index: usize) {
        let Some(id) = self.elements.get(index).and_then(|element| element.id) else {
            return;
        };
        let is_id = |name: Option<&OsStr>| {
            name.and_then(OsStr::to_str)
                .is_some_and(|name| name.eq_ignore_ascii_case(id))
        };
        self.take(index, |file| {
            is_id(file.file_name()) || is_id(file.file_stem())
        });
    }

    fn take_by_filename(&mut self, index: usize) {
        let name = self
            .elements
            .get(index)
            .and_then(|element| element.filename);
        if let Some(name) = name
            && self.is_only(index, same_name)
        {
            self.take(index, |file| file.file_name() == Some(OsStr::new(name)));
        }
    }

    fn take_by_data_type(&mut self, index: usize) {
        let Some(data_type) = self.elements.get(index).map(|element| element.data_type) else {
            return;
        };
        if !self.is_only(index, same_type) {
            return;
        }
        for extension in EXTENSIONS {
            let name = format!("{data_type}.{extension}");
            self.take(index, |file| file.file_name() == Some(OsStr::new(&name)));
        }
        self.take(index, |file| {
            file.file_stem() == Some(OsStr::new(data_type))
        });
    }

    /// Whether no other element without a file equals this one.
    fn is_only(&self, index: usize, alike: fn(&WantedFile<'_>, &WantedFile<'_>) -> bool) -> bool {
        let Some(element) = self.elements.get(index) else {
            return false;
        };
        let others = self.elements.iter().enumerate();
        !others
            .filter(|(other, wanted)| *other != index && wanted.file.is_none())
            .any(|(_, other)| alike(element, other))
    }

    fn take(&mut self, index: usize, is_wanted: impl Fn(&Path) -> bool) {
        let Some(element) = self.elements.get_mut(index) else {
            return;
        };
        if element.file.is_none()
            && let Some(found) = self.free.iter().position(|file| is_wanted(file))
        {
            element.file = Some(self.free.remove(found));
        }
    }
}

/// Whether a form is JSON. If the extension does not tell, the content does.
#[must_use]
pub fn is_json(file: &Path, bytes: &[u8]) -> bool {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("json") => true,
        Some("xml") => false,
        _ => bytes.trim_ascii_start().starts_with(b"{"),
    }
}

fn same_name(one: &WantedFile<'_>, other: &WantedFile<'_>) -> bool {
    one.filename == other.filename
}

fn same_type(one: &WantedFile<'_>, other: &WantedFile<'_>) -> bool {
    one.data_type == other.data_type
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ONE: &str = "0e5b1c2d-8f10-4c6e-9a0b-77c4e1d2a301";
    const OTHER: &str = "0e5b1c2d-8f10-4c6e-9a0b-77c4e1d2a302";

    /// The names of the files that are found for these elements.
    fn found(elements: Value, files: &[&str]) -> Vec<Option<String>> {
        let folder = tempfile::tempdir().unwrap();
        for file in files.iter().chain([&INSTANCE_FILE]) {
            fs::write(folder.path().join(file), "").unwrap();
        }
        let elements = elements.as_array().unwrap();
        let files = ElementFiles::find(folder.path(), elements).unwrap();
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        (0..elements.len())
            .map(|index| files.of(index).map(name))
            .collect()
    }

    fn names(names: &[&str]) -> Vec<Option<String>> {
        let some = |name: &&str| Some((*name).to_owned()).filter(|name| !name.is_empty());
        names.iter().map(some).collect()
    }

    #[test]
    fn an_element_without_a_name_is_found_by_its_type_or_its_id() {
        let form = json!([{"id": ONE, "dataType": "model", "filename": null}]);
        for file in [
            "model.xml",
            "model.json",
            "model.txt",
            ONE,
            &format!("{ONE}.xml"),
        ] {
            assert_eq!(found(form.clone(), &[file]), names(&[file]));
        }
        assert_eq!(
            found(form.clone(), &["model.json", "model.xml"]),
            names(&["model.xml"])
        );
        assert_eq!(found(form, &["other.xml", INSTANCE_FILE]), names(&[""]));
    }

    #[test]
    fn elements_of_the_same_name_are_found_by_their_ids_only() {
        let two = json!([
            {"id": ONE, "dataType": "vedlegg", "filename": "a b.pdf"},
            {"id": OTHER, "dataType": "vedlegg", "filename": "a b.pdf"},
        ]);
        assert_eq!(
            found(two.clone(), &["a b.pdf", "vedlegg.pdf"]),
            names(&["", ""])
        );
        let ids = [format!("{ONE}.pdf"), OTHER.to_uppercase()];
        assert_eq!(
            found(two.clone(), &[&ids[0], &ids[1]]),
            names(&[&ids[0], &ids[1]])
        );
        assert_eq!(
            found(two, &["a b.pdf", &ids[1]]),
            names(&["a b.pdf", &ids[1]])
        );
    }

    #[test]
    fn each_file_is_used_once_and_none_outside_the_folder() {
        let elements = json!([
            {"id": ONE, "dataType": "model"},
            {"id": OTHER, "dataType": "vedlegg", "filename": "model.xml"},
        ]);
        assert_eq!(
            found(elements, &["model.xml", "model.json"]),
            names(&["model.json", "model.xml"])
        );
        let elsewhere = json!([{"dataType": "vedlegg", "filename": "../secret.pdf"}]);
        assert_eq!(found(elsewhere, &["secret.pdf"]), names(&[""]));
    }
}
