//! The style sheets of `assets/styles`, one after the other in the order of their names, with names of fonts and icons
//! replaced by what they are called after hashing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub(crate) enum StylesError {
    #[error("cannot read the style sheets in {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "the style sheets refer to {0:?}, which is not under assets/fonts or assets/icons; browsers would ask in vain"
    )]
    UnknownReference(String),
}

pub(crate) fn concatenate(directory: &Path) -> Result<String, StylesError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| StylesError::Read { path, source }
    };
    let mut sheets = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let path = entry.map_err(failed(directory))?.path();
        if path.extension().is_some_and(|extension| extension == "css") {
            sheets.push(path);
        }
    }
    sheets.sort();
    let mut all = String::new();
    for sheet in sheets {
        all.push_str(&fs::read_to_string(&sheet).map_err(failed(&sheet))?);
        all.push('\n');
    }
    Ok(without_comments(&all))
}

/// Replaces every `url("fonts/name")` by `url("hashed name")`. The result lies in the same directory as the files, so
/// the reference works under any path prefix. Only data and fragments may be referred to besides.
pub(crate) fn with_hashed_names(styles: &str, hashed: &BTreeMap<String, String>) -> Result<String, StylesError> {
    let mut result = String::with_capacity(styles.len());
    let mut rest = styles;
    while let Some((before, tail)) = rest.split_once("url(") {
        let (reference, after) = tail.split_once(')').unwrap_or((tail, ""));
        let name = reference.trim().trim_matches(['"', '\'']);
        let target = match hashed.get(name) {
            Some(file) => file.as_str(),
            None if name.starts_with("data:") || name.starts_with('#') => reference,
            None => return Err(StylesError::UnknownReference(name.to_owned())),
        };
        result.extend([before, "url(", target, ")"]);
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

/// Comments are for us; a browser need not load them. A comment mark inside a string stays.
fn without_comments(styles: &str) -> String {
    let mut kept = String::with_capacity(styles.len());
    let mut rest = styles;
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (before, tail) = rest.split_at(at);
        kept.push_str(before);
        let length = token_length(tail);
        if !tail.starts_with("/*") {
            kept.push_str(&tail[..length]);
        }
        rest = &tail[length..];
    }
    kept.push_str(rest);
    kept.lines().filter(|line| !line.trim().is_empty()).fold(String::new(), |text, line| text + line + "\n")
}

/// Bytes of the string, comment or single slash at the start of `text`.
fn token_length(text: &str) -> usize {
    if text.starts_with("/*") {
        return text.find("*/").map_or(text.len(), |end| end + 2);
    }
    let Some(quote @ ('"' | '\'')) = text.chars().next() else {
        return 1;
    };
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_strings_stay() {
        let styles = "/* a \"quoted\" remark */\na::before { content: \"/* no comment */\"; }\n\nb { background: url(x/y.png); } /* end */";
        assert_eq!(
            without_comments(styles),
            "a::before { content: \"/* no comment */\"; }\nb { background: url(x/y.png); } \n"
        );
    }

    #[test]
    fn references_get_hashed_names_and_unknown_ones_are_refused() {
        let hashed = BTreeMap::from([("fonts/inter.woff2".to_owned(), "inter-0a.woff2".to_owned())]);
        let styles =
            "a { src: url(\"fonts/inter.woff2\") format(\"woff2\"); b: url(fonts/inter.woff2); c: url(\"data:x\") }";
        assert_eq!(
            with_hashed_names(styles, &hashed).unwrap(),
            "a { src: url(inter-0a.woff2) format(\"woff2\"); b: url(inter-0a.woff2); c: url(\"data:x\") }"
        );
        let unknown = with_hashed_names("url('fonts/missing.woff2')", &hashed).unwrap_err();
        assert!(unknown.to_string().contains("fonts/missing.woff2"), "{unknown}");
    }
}
