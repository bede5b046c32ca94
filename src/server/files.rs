//! The files of a dialplan: one file, or a folder's `*.yaml` without its subfolders.

use std::path::Path;

use crate::limits;

/// Reads the files of the plan at `path`, each with the name it is reported under.
///
/// # Errors
/// One sentence that says what to do.
pub fn read(path: &Path) -> Result<Vec<(String, String)>, String> {
    let mut paths = Vec::new();
    if path.is_dir() {
        let entries = std::fs::read_dir(path)
            .map_err(|error| format!("cannot read the folder {}: {error}", path.display()))?;
        for entry in entries.flatten() {
            let file = entry.path();
            if file.is_file() && file.extension().is_some_and(|it| it == "yaml") {
                paths.push(file);
            }
        }
        paths.sort();
        if paths.is_empty() {
            return Err(format!(
                "{} has no *.yaml file; write a dialplan there or name another folder",
                path.display()
            ));
        }
    } else {
        paths.push(path.to_owned());
    }
    paths.iter().map(|path| read_one(path)).collect()
}

fn read_one(path: &Path) -> Result<(String, String), String> {
    let name = path.display().to_string();
    let about = std::fs::metadata(path)
        .map_err(|error| format!("cannot read the dialplan {name}: {error}"))?;
    if about.len() > limits::DIALPLAN_FILE_BYTES as u64 {
        return Err(format!(
            "{name} is larger than {} bytes; split the plan into several files of one folder",
            limits::DIALPLAN_FILE_BYTES
        ));
    }
    let bytes =
        std::fs::read(path).map_err(|error| format!("cannot read the dialplan {name}: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("{name} is not UTF-8 (byte {at}); save it as UTF-8")
    })?;
    Ok((name, text))
}
